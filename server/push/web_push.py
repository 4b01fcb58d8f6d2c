"""Web push on the wire: a message that only one browser reads (RFC 8291), and who sends it (RFC 8292). Pure.

The push service sees the endpoint, the size, the lifetime and our public key. It does not see a word of the message.
"""

import base64
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

CURVE = ec.SECP256R1()
RECORD_BYTES = 4096
"""The one record of a message: push services need take no more (RFC 8030, section 7.2)."""
MOST_BYTES = RECORD_BYTES - 16 - 1 - 86
"""What fits: less the tag, the delimiter, and the header (RFC 8188, section 2.1)."""
_TOKEN_LASTS = timedelta(hours=12)  # RFC 8292 allows 24; some services count with a clock of their own


@dataclass(frozen=True)
class PushKey:
    """The key by which push services know this server (VAPID). Whoever has it can send to its subscriptions."""

    private: ec.EllipticCurvePrivateKey

    @property
    def public(self) -> str:
        """What browsers subscribe with, as base64url."""
        return base64url(point(self.private.public_key()))


def sealed(message: bytes, p256dh: bytes, auth: bytes, *, ephemeral: ec.EllipticCurvePrivateKey, salt: bytes) -> bytes:
    """The body of a push (RFC 8291, section 3.4). `ephemeral` and `salt` are drawn anew for each.

    Raises:
        ValueError: the message is longer than MOST_BYTES, or `p256dh` is no point.
    """
    if len(message) > MOST_BYTES:
        raise ValueError(f"a push holds {MOST_BYTES} bytes, not {len(message)}")
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, p256dh)
    ours = point(ephemeral.public_key())
    shared = ephemeral.exchange(ec.ECDH(), theirs)
    secret = _derived(shared, auth, b"WebPush: info\x00" + p256dh + ours, 32)
    key = _derived(secret, salt, b"Content-Encoding: aes128gcm\x00", 16)
    nonce = _derived(secret, salt, b"Content-Encoding: nonce\x00", 12)
    header = salt + RECORD_BYTES.to_bytes(4, "big") + bytes([len(ours)]) + ours
    return header + AESGCM(key).encrypt(nonce, message + b"\x02", None)


def authorization(key: PushKey, endpoint: str, now: datetime, contact: str | None) -> str:
    """The `Authorization` header for one push service: a token signed for its origin and no other."""
    parts = urlsplit(endpoint)
    claims: dict[str, object] = {
        "aud": f"{parts.scheme}://{parts.netloc}",
        "exp": int((now + _TOKEN_LASTS).timestamp()),
    }
    if contact is not None:
        claims["sub"] = contact
    signed = ".".join(_part(each) for each in ({"typ": "JWT", "alg": "ES256"}, claims))
    r, s = decode_dss_signature(key.private.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    signature = base64url(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
    return f"vapid t={signed}.{signature}, k={key.public}"


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def point(key: ec.EllipticCurvePublicKey) -> bytes:
    """A public key as its uncompressed point."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _derived(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)


def _part(value: object) -> str:
    return base64url(json.dumps(value, separators=(",", ":")).encode())
