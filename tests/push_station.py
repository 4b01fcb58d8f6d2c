"""A push service of our own, with the browsers behind it: it checks who sends, and reads what they would read.

The reading side is written anew from RFC 8188, 8291 and 8292: it shares nothing with the code that it tests.
"""

import base64
import hashlib
import hmac
import json
import queue
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PATIENCE = 20.0


def unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def padless(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def point(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


@dataclass
class Phone:
    """A browser with a subscription: the keys that only it has."""

    endpoint: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(16))

    @property
    def subscription(self) -> dict[str, Any]:
        """As `PushSubscription.toJSON()` gives it."""
        return {
            "endpoint": self.endpoint,
            "expirationTime": None,
            "keys": {"p256dh": padless(point(self.key)), "auth": padless(self.secret)},
        }

    def read(self, body: bytes) -> dict[str, Any]:
        salt, size, length = body[:16], int.from_bytes(body[16:20], "big"), body[20]
        sender, record = body[21 : 21 + length], body[21 + length :]
        assert len(record) <= size
        theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender)
        info = b"WebPush: info\x00" + point(self.key) + sender
        secret = expanded(mac(self.secret, self.key.exchange(ec.ECDH(), theirs)), info, 32)
        key = expanded(mac(salt, secret), b"Content-Encoding: aes128gcm\x00", 16)
        nonce = expanded(mac(salt, secret), b"Content-Encoding: nonce\x00", 12)
        plain, _, _ = AESGCM(key).decrypt(nonce, record, None).rpartition(b"\x02")
        said: dict[str, Any] = json.loads(plain)
        return said


def mac(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, hashlib.sha256).digest()


def expanded(key: bytes, info: bytes, length: int) -> bytes:
    """One block of HKDF-Expand, which is all that is needed here."""
    return mac(key, info + b"\x01")[:length]


@dataclass(frozen=True)
class Push:
    """What arrived at one address."""

    path: str
    headers: dict[str, str]
    body: bytes

    def claims(self) -> tuple[dict[str, Any], str]:
        """What the sender swears to, once its signature is checked; and the public key that it is checked with."""
        scheme, _, rest = self.headers["authorization"].partition(" ")
        assert scheme == "vapid"
        parts = dict(part.strip().split("=", 1) for part in rest.split(","))
        signed, _, signature = parts["t"].rpartition(".")
        raw = unpadded(signature)
        der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), unpadded(parts["k"]))
        public.verify(der, signed.encode(), ec.ECDSA(hashes.SHA256()))
        head, claims = (json.loads(unpadded(part)) for part in signed.split("."))
        assert head == {"typ": "JWT", "alg": "ES256"}
        return claims, parts["k"]


class Station(ThreadingHTTPServer):
    """`answers` are the statuses of the next calls, 201 when it is empty. What came stands in `arrived`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Take)
        self.answers: queue.SimpleQueue[tuple[int, dict[str, str]]] = queue.SimpleQueue()
        self.arrived: queue.SimpleQueue[Push] = queue.SimpleQueue()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def phone(self, name: str = "one") -> Phone:
        return Phone(f"{self.origin}/push/{name}")

    def next(self) -> Push:
        """What comes next; waits for it."""
        return self.arrived.get(timeout=PATIENCE)


class _Take(BaseHTTPRequestHandler):
    server: Station

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            status, headers = self.server.answers.get_nowait()
        except queue.Empty:
            status, headers = 201, {}
        self.server.arrived.put(Push(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def station() -> Iterator[Station]:
    server = Station()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
