"""A passkey's public key, in the COSE form in which authenticators give it (RFC 9053; SPEC.md, section 4). Pure.

Of CBOR this reads what such a key is made of: one map, small integers and byte strings. Everything else, and every
algorithm that registration does not offer, is no key here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from store.problems import Problem

_KEY_TYPE, _ALGORITHM, _CURVE, _X, _Y, _N, _E = 1, 3, -1, -2, -3, -1, -2
_P256, _ED25519 = 1, 6
_COORDINATE = 32
_RSA_BYTES = range(256, 1025)
_EXPONENT_BYTES = 4
_LONGEST_ARGUMENT = 4

Members = Mapping[int, int | bytes]


class PublicKeyProblem(Problem):
    """These bytes are no public key of a passkey."""


class PublicKey(Protocol):
    """Whatever checks a signature."""

    def verify(self, signature: bytes, data: bytes) -> None:
        """Raises cryptography's InvalidSignature."""
        ...


@dataclass(frozen=True)
class _Es256:
    key: ec.EllipticCurvePublicKey

    def verify(self, signature: bytes, data: bytes) -> None:
        self.key.verify(signature, data, ec.ECDSA(hashes.SHA256()))


@dataclass(frozen=True)
class _Rs256:
    key: rsa.RSAPublicKey

    def verify(self, signature: bytes, data: bytes) -> None:
        self.key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())


def load_public_key(cose: bytes) -> PublicKey:
    """The key that `cose` spells.

    Raises:
        PublicKeyProblem
    """
    members = _read_map(cose)
    make = _KINDS.get((members.get(_KEY_TYPE), members.get(_ALGORITHM)))
    if make is None:
        raise PublicKeyProblem("a passkey's public key is ES256, EdDSA (Ed25519) or RS256, and this is another")
    try:
        return make(members)
    except (ValueError, UnsupportedAlgorithm) as problem:
        raise PublicKeyProblem("a passkey's public key is not on its curve, or otherwise none") from problem


def _es256(members: Members) -> PublicKey:
    _require_curve(members, _P256)
    point = b"\x04" + _coordinate(members, _X) + _coordinate(members, _Y)
    return _Es256(ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point))


def _eddsa(members: Members) -> PublicKey:
    _require_curve(members, _ED25519)
    return ed25519.Ed25519PublicKey.from_public_bytes(_coordinate(members, _X))


def _rs256(members: Members) -> PublicKey:
    modulus, exponent = members.get(_N), members.get(_E)
    if not isinstance(modulus, bytes) or not isinstance(exponent, bytes):
        raise PublicKeyProblem("an RSA key of a passkey is two byte strings")
    if len(modulus) not in _RSA_BYTES or len(exponent) > _EXPONENT_BYTES:
        raise PublicKeyProblem("an RSA key of a passkey has 2,048 to 8,192 bits and a small exponent")
    numbers = rsa.RSAPublicNumbers(int.from_bytes(exponent, "big"), int.from_bytes(modulus, "big"))
    return _Rs256(numbers.public_key())


_KINDS: Mapping[tuple[object, object], Callable[[Members], PublicKey]] = {
    (2, -7): _es256,
    (1, -8): _eddsa,
    (3, -257): _rs256,
}
"""By key type and algorithm: what registration offers to authenticators."""


def _require_curve(members: Members, curve: int) -> None:
    if members.get(_CURVE) != curve:
        raise PublicKeyProblem("a passkey's public key is on P-256 or Ed25519, and this is on another curve")


def _coordinate(members: Members, label: int) -> bytes:
    value = members.get(label)
    if not isinstance(value, bytes) or len(value) != _COORDINATE:
        raise PublicKeyProblem("a coordinate of a passkey's public key has 32 bytes")
    return value


def _read_map(data: bytes) -> Members:
    """One CBOR map of integers to integers or byte strings, to the end of `data`."""
    kind, count, at = _head(data, 0)
    if kind != 5:
        raise PublicKeyProblem("a passkey's public key is a CBOR map")
    members: dict[int, int | bytes] = {}
    for _ in range(count):
        key, at = _value(data, at)
        value, at = _value(data, at)
        if not isinstance(key, int) or key in members:
            raise PublicKeyProblem("the labels of a passkey's public key are integers, each once")
        members[key] = value
    if at != len(data):
        raise PublicKeyProblem("something stands behind a passkey's public key")
    return members


def _value(data: bytes, at: int) -> tuple[int | bytes, int]:
    kind, number, at = _head(data, at)
    if kind == 0:
        return number, at
    if kind == 1:
        return -1 - number, at
    if kind == 2 and at + number <= len(data):
        return data[at : at + number], at + number
    raise PublicKeyProblem("a passkey's public key holds integers and byte strings, whole ones")


def _head(data: bytes, at: int) -> tuple[int, int, int]:
    """Major type, argument, and where the next thing begins."""
    if at >= len(data):
        raise PublicKeyProblem("a passkey's public key ends too early")
    kind, short = data[at] >> 5, data[at] & 0x1F
    if short < 24:
        return kind, short, at + 1
    size = 1 << (short - 24)
    if size > _LONGEST_ARGUMENT or at + 1 + size > len(data):
        raise PublicKeyProblem("a passkey's public key ends too early, or holds what none does")
    return kind, int.from_bytes(data[at + 1 : at + 1 + size], "big"), at + 1 + size
