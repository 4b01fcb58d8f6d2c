"""Sealing one secret, by SPEC.md: keys and random bytes in, bytes out. Pure.

Each version of a secret has a fresh 256-bit key of its own, which is wrapped under the key-encryption key. Both boxes
carry associated data, so that one moved to another row, agent, version, log or key no longer opens.
"""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

import rfc8785

from store.problems import KeyProblem
from store.vault.aead import KEY_BYTES, NONCE_BYTES, NotAuthentic, decrypt, encrypt

BOX = b"\x01"
"""The first byte of a box: AES-256-GCM, as SPEC.md has it. Another value is another format, and is refused."""

KID_LABEL = b"assent/vault/kid/v1\0"
SECRET_CONTEXT = "assent/vault/secret/v1"
WRAP_CONTEXT = "assent/vault/wrap/v1"

Random = Callable[[int], bytes]


@dataclass(frozen=True)
class Key:
    """A 256-bit key-encryption key.

    Raises:
        ValueError: it has another length.
    """

    material: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.material) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(self.material)}")

    @property
    def kid(self) -> str:
        """The key's name in what it wrapped: 16 hex digits of a labelled hash, which tell nothing of it."""
        return hashlib.sha256(KID_LABEL + self.material).hexdigest()[:16]


@dataclass(frozen=True)
class Binding:
    """What a sealed secret belongs to. `targets` are the destinations that it may ever be sent to."""

    origin: str
    handle: str
    version: int
    agent_id: str
    targets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sealed:
    """A secret at rest."""

    kid: str
    wrapped_key: bytes = field(repr=False)
    ciphertext: bytes = field(repr=False)

    @property
    def ciphertext_sha256(self) -> str:
        """What the log holds of it: a row that was rolled back, or swapped, has another."""
        return hashlib.sha256(self.ciphertext).hexdigest()


def seal(secret: str, binding: Binding, key: Key, random: Random = secrets.token_bytes) -> Sealed:
    """`secret` under a fresh key of its own, wrapped under `key`. Only worked examples pass another `random`."""
    own = random(KEY_BYTES)
    return Sealed(
        kid=key.kid,
        wrapped_key=_box(key.material, random(NONCE_BYTES), own, wrap_context(binding, key.kid)),
        ciphertext=_box(own, random(NONCE_BYTES), secret.encode(), secret_context(binding)),
    )


def unseal(sealed: Sealed, binding: Binding, key: Key) -> str:
    """The secret.

    Raises:
        KeyProblem: the key is another one, or a byte or the binding was changed. The reason is not told apart.
    """
    try:
        own = _open(key.material, sealed.wrapped_key, wrap_context(binding, key.kid))
        if len(own) != KEY_BYTES:
            raise NotAuthentic
        return _open(own, sealed.ciphertext, secret_context(binding)).decode()
    except NotAuthentic:
        raise KeyProblem(
            f"the credential {binding.handle} does not open: its row or its key was changed",
            "Restore the database and its key from one backup, or ask for the secret again.",
        ) from None


def secret_context(binding: Binding) -> bytes:
    """The associated data of a secret's box."""
    return rfc8785.dumps(
        {
            "context": SECRET_CONTEXT,
            "id": binding.handle,
            "origin": binding.origin,
            "owner": binding.agent_id,
            "targets": sorted(binding.targets),
            "version": binding.version,
        }
    )


def wrap_context(binding: Binding, kid: str) -> bytes:
    """The associated data of a wrapped key's box."""
    return rfc8785.dumps(
        {
            "context": WRAP_CONTEXT,
            "id": binding.handle,
            "kid": kid,
            "origin": binding.origin,
            "version": binding.version,
        }
    )


def _box(key: bytes, nonce: bytes, plain: bytes, context: bytes) -> bytes:
    return BOX + nonce + encrypt(key, nonce, plain, context)


def _open(key: bytes, box: bytes, context: bytes) -> bytes:
    start = len(BOX) + NONCE_BYTES
    if box[: len(BOX)] != BOX:
        raise NotAuthentic
    return decrypt(key, box[len(BOX) : start], box[start:], context)
