"""Sealing one secret. Pure: keys and random bytes in, bytes out.

Each secret has a fresh 256-bit key of its own and AES-256-GCM with a 12-byte nonce, written before the ciphertext. That
key is wrapped the same way under the key-encryption key. Both carry associated data, so that a ciphertext moved to
another row, agent, version or key no longer opens. Labels keep the two uses apart.
"""

import secrets
from dataclasses import dataclass, field

import rfc8785
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from store.problems import KeyProblem
from store.vault.keys import KEY_BYTES, Key

NONCE_BYTES = 12


@dataclass(frozen=True)
class Binding:
    """What a sealed secret belongs to."""

    handle: str
    version: int
    agent_id: str


@dataclass(frozen=True)
class Sealed:
    """A secret at rest."""

    kid: str
    wrapped_key: bytes = field(repr=False)
    ciphertext: bytes = field(repr=False)


def seal(secret: str, binding: Binding, key: Key) -> Sealed:
    """`secret` under a fresh key of its own, wrapped under `key`."""
    own = secrets.token_bytes(KEY_BYTES)
    return Sealed(
        kid=key.kid,
        wrapped_key=_encrypt(key.material, own, _wrap_context(binding, key.kid)),
        ciphertext=_encrypt(own, secret.encode(), _secret_context(binding)),
    )


def unseal(sealed: Sealed, binding: Binding, key: Key) -> str:
    """The secret.

    Raises:
        KeyProblem: the key is another one, or a byte or the binding was changed. The reason is not told apart.
    """
    try:
        own = _decrypt(key.material, sealed.wrapped_key, _wrap_context(binding, key.kid))
        return _decrypt(own, sealed.ciphertext, _secret_context(binding)).decode()
    except InvalidTag:
        raise KeyProblem(
            f"the credential {binding.handle} does not open: its row or its key was changed",
            "Restore the database and its key from one backup, or ask for the secret again.",
        ) from None


def _encrypt(key: bytes, plain: bytes, context: bytes) -> bytes:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, context)


def _decrypt(key: bytes, sealed: bytes, context: bytes) -> bytes:
    nonce, ciphertext = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    if len(nonce) != NONCE_BYTES:
        raise InvalidTag
    return AESGCM(key).decrypt(nonce, ciphertext, context)


def _secret_context(binding: Binding) -> bytes:
    return rfc8785.dumps(
        {
            "label": "assent/vault/secret/v1",
            "id": binding.handle,
            "version": binding.version,
            "owner": binding.agent_id,
            "targets": [],
        }
    )


def _wrap_context(binding: Binding, kid: str) -> bytes:
    return rfc8785.dumps({"label": "assent/vault/key/v1", "id": binding.handle, "version": binding.version, "kid": kid})
