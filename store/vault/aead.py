"""AES-256-GCM, and nothing else that AES-GCM could be: 256-bit keys, 12-byte nonces, 16-byte tags. Pure.

The library below takes other nonces too. A nonce of another length is compressed by GHASH, which is weaker, and an
implementation less looked at; SPEC.md, "The cipher", allows one length.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16


class NotAuthentic(Exception):
    """The key, the nonce, the context or the bytes are not those of the encryption. Which of them, is not told."""


def encrypt(key: bytes, nonce: bytes, plain: bytes, context: bytes) -> bytes:
    """Ciphertext and tag. A nonce must never meet the same key twice; that is the caller's to see to.

    Raises:
        ValueError: the key or the nonce has another length. Neither is ever coerced into shape.
    """
    _require_key(key)
    if len(nonce) != NONCE_BYTES:
        raise ValueError(f"a nonce has {NONCE_BYTES} bytes, not {len(nonce)}")
    return AESGCM(key).encrypt(nonce, plain, context)


def decrypt(key: bytes, nonce: bytes, ciphertext: bytes, context: bytes) -> bytes:
    """What was encrypted. `nonce` and `ciphertext` may come from anybody.

    Raises:
        NotAuthentic: they are not what this key made for this context.
        ValueError: the key has another length, which is our own mistake.
    """
    _require_key(key)
    if len(nonce) != NONCE_BYTES or len(ciphertext) < TAG_BYTES:
        raise NotAuthentic
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, context)
    except InvalidTag:
        raise NotAuthentic from None


def _require_key(key: bytes) -> None:
    if len(key) != KEY_BYTES:
        raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(key)}")
