"""Random names and secrets, and how secrets are remembered: by their SHA-256 only."""

import base64
import hashlib
import secrets


def new_id(prefix: str, bits: int = 80) -> str:
    """`prefix_` and lower-case base32 of `bits` random bits: short, copyable, unguessable from 80 bits on."""
    return f"{prefix}_{base64.b32encode(secrets.token_bytes(bits // 8)).decode().rstrip('=').lower()}"


def new_secret(prefix: str) -> str:
    """A bearer secret of 256 random bits; the prefix lets people and scanners tell what it is."""
    return f"{prefix}_{secrets.token_urlsafe(32)}"


def secret_sha256(secret: str) -> str:
    """What is kept of a secret of full entropy. A plain hash suffices: there is nothing to guess."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
