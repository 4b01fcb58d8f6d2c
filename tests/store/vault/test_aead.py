"""The cipher takes the one shape that the specification allows, measured by Project Wycheproof's vectors."""

import json
from pathlib import Path

import pytest

from store.vault.aead import KEY_BYTES, NONCE_BYTES, NotAuthentic, decrypt, encrypt

VECTORS = json.loads(Path(__file__).with_name("aes_gcm_wycheproof.json").read_text("utf-8"))["tests"]
OURS = [vector for vector in VECTORS if len(vector["iv"]) == 2 * NONCE_BYTES]
ODD = [vector for vector in VECTORS if len(vector["iv"]) != 2 * NONCE_BYTES]


def parts(vector: dict[str, str]) -> tuple[bytes, bytes, bytes, bytes, bytes]:
    """Key, nonce, plain text, ciphertext with its tag, associated data."""
    key, nonce, plain, ciphertext, tag, context = (
        bytes.fromhex(vector[name]) for name in ("key", "iv", "msg", "ct", "tag", "aad")
    )
    return key, nonce, plain, ciphertext + tag, context


def by_id(vector: dict[str, str]) -> str:
    return f"{vector['tcId']}-{vector['result']}"


def test_there_are_vectors_of_every_sort() -> None:
    assert {vector["result"] for vector in OURS} == {"valid", "invalid"}
    assert {len(vector["iv"]) // 2 for vector in ODD} >= {0, 8, 16}


@pytest.mark.parametrize("vector", [v for v in OURS if v["result"] == "valid"], ids=by_id)
def test_what_was_rightly_encrypted_opens_and_is_encrypted_alike(vector: dict[str, str]) -> None:
    key, nonce, plain, ciphertext, context = parts(vector)

    assert decrypt(key, nonce, ciphertext, context) == plain
    assert encrypt(key, nonce, plain, context) == ciphertext


@pytest.mark.parametrize("vector", [v for v in OURS if v["result"] != "valid"], ids=by_id)
def test_a_changed_tag_or_ciphertext_does_not_open(vector: dict[str, str]) -> None:
    key, nonce, _, ciphertext, context = parts(vector)

    with pytest.raises(NotAuthentic):
        decrypt(key, nonce, ciphertext, context)


@pytest.mark.parametrize("vector", ODD, ids=by_id)
def test_another_length_of_nonce_is_refused_even_where_its_encryption_is_valid(vector: dict[str, str]) -> None:
    key, nonce, plain, ciphertext, context = parts(vector)

    with pytest.raises(NotAuthentic):
        decrypt(key, nonce, ciphertext, context)
    with pytest.raises(ValueError, match="a nonce has 12 bytes"):
        encrypt(key, nonce, plain, context)


@pytest.mark.parametrize("length", [0, 16, 24, 31, 33])
def test_another_length_of_key_is_never_taken(length: int) -> None:
    nonce = bytes(NONCE_BYTES)

    with pytest.raises(ValueError, match="a key has 32 bytes"):
        encrypt(bytes(length), nonce, b"", b"")
    with pytest.raises(ValueError, match="a key has 32 bytes"):
        decrypt(bytes(length), nonce, bytes(16), b"")


def test_what_is_shorter_than_a_tag_does_not_open() -> None:
    whole = encrypt(bytes(KEY_BYTES), bytes(NONCE_BYTES), b"", b"")
    for length in range(len(whole)):
        with pytest.raises(NotAuthentic):
            decrypt(bytes(KEY_BYTES), bytes(NONCE_BYTES), whole[:length], b"")
