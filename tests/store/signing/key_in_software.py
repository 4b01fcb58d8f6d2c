"""A passkey in software, for what is checked without a site: it signs statements as a browser would have it sign."""

import base64
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from store.signing.statement import challenge

ORIGIN = "https://consent.example.org"
PRESENT_AND_VERIFIED = 0x05


@dataclass(frozen=True)
class Signed:
    """What a signature consists of."""

    client_data: bytes
    authenticator_data: bytes
    signature: bytes

    @property
    def parts(self) -> dict[str, Any]:
        return {
            "client_data": self.client_data,
            "authenticator_data": self.authenticator_data,
            "signature": self.signature,
        }


@dataclass(frozen=True)
class Es256Key:
    """As most passkeys are."""

    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def members(self) -> dict[int, Any]:
        point = self.key.public_key().public_numbers()
        return {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}

    @property
    def cose(self) -> bytes:
        return cbor2.dumps(self.members)

    def sign(self, data: bytes) -> bytes:
        return self.key.sign(data, ec.ECDSA(hashes.SHA256()))


@dataclass(frozen=True)
class EdDsaKey:
    key: ed25519.Ed25519PrivateKey = field(default_factory=ed25519.Ed25519PrivateKey.generate)

    @property
    def cose(self) -> bytes:
        return cbor2.dumps({1: 1, 3: -8, -1: 6, -2: self.key.public_key().public_bytes_raw()})

    def sign(self, data: bytes) -> bytes:
        return self.key.sign(data)


@dataclass(frozen=True)
class Rs256Key:
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    @property
    def cose(self) -> bytes:
        numbers = self.key.public_key().public_numbers()
        return cbor2.dumps({1: 3, 3: -257, -1: numbers.n.to_bytes(256, "big"), -2: numbers.e.to_bytes(3, "big")})

    def sign(self, data: bytes) -> bytes:
        return self.key.sign(data, padding.PKCS1v15(), hashes.SHA256())


AnyKey = Es256Key | EdDsaKey | Rs256Key


def signed_with(
    key: AnyKey,
    statement: str,
    *,
    origin: str = ORIGIN,
    relying_party: str = "consent.example.org",
    flags: int = PRESENT_AND_VERIFIED,
    count: int = 1,
    **said: Any,
) -> Signed:
    """A signature under `statement`; `said` replaces members of what the browser says (None: left out)."""
    nonce = base64.urlsafe_b64encode(challenge(statement)).rstrip(b"=").decode()
    members = {"type": "webauthn.get", "challenge": nonce, "origin": origin, "crossOrigin": False, **said}
    client_data = json.dumps({name: value for name, value in members.items() if value is not None}).encode()
    data = hashlib.sha256(relying_party.encode()).digest() + bytes([flags]) + count.to_bytes(4, "big")
    return Signed(client_data, data, key.sign(data + hashlib.sha256(client_data).digest()))
