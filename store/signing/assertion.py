"""A passkey's signature under a statement, checked from its bytes alone (SPEC.md, section 3). Pure.

Whoever verifies a log has no browser, no session and no site: a public key and four byte strings must be enough. So
this uses nothing but a library of signatures, and the site accepts a decision by the very same code.
"""

import base64
import hashlib
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature

from store.problems import Problem
from store.signing.public_key import PublicKeyProblem, load_public_key
from store.signing.statement import challenge
from store.strict_json import NotStrictJson, read_strict_json

CLIENT_DATA_LIMIT = 8 * 1024
AUTHENTICATOR_DATA_LIMIT = 4 * 1024
SIGNATURE_LIMIT = 1024
_USER_PRESENT, _USER_VERIFIED = 0x01, 0x04
_HASH, _FLAGS, _COUNTER = slice(0, 32), 32, slice(33, 37)
_LEAST = 37


class SignatureRefused(Problem):
    """The signature does not stand under the statement. Its message is the true reason, for logs and verifiers."""


@dataclass(frozen=True)
class VerifiedAssertion:
    """What else the authenticator said, once its signature is proved."""

    origin: str
    """The page that the person was on, says the browser."""
    sign_count: int


def verify_assertion(
    *,
    public_key: bytes,
    statement: str,
    client_data: bytes,
    authenticator_data: bytes,
    signature: bytes,
    origin: str | None = None,
    relying_party: str | None = None,
) -> VerifiedAssertion:
    """That the holder of this key signed this statement, present and verified.

    `public_key` is in COSE form, as its registration's entry has it. With `origin` and `relying_party` they must be
    those; without, the relying party must be the origin's own host, as it is on every site of Assent.

    Raises:
        SignatureRefused
    """
    if len(client_data) > CLIENT_DATA_LIMIT or len(signature) > SIGNATURE_LIMIT:
        _refuse("it is longer than any signature is")
    said = _origin_said(client_data, statement)
    if origin is not None and said != origin:
        _refuse(f"it was made on a page of {said!r}")
    host = urlsplit(said).hostname if relying_party is None else relying_party
    count = _count(authenticator_data, (host or "").encode())
    try:
        load_public_key(public_key).verify(signature, authenticator_data + hashlib.sha256(client_data).digest())
    except PublicKeyProblem as problem:
        raise SignatureRefused(problem.message) from problem
    except InvalidSignature:
        _refuse("it was not made with this passkey, or something of it was changed")
    return VerifiedAssertion(said, count)


def _origin_said(client_data: bytes, statement: str) -> str:
    try:
        data = read_strict_json(client_data)
    except NotStrictJson as problem:
        raise SignatureRefused(f"its client data is not JSON: {problem}") from None
    if not isinstance(data, dict) or data.get("type") != "webauthn.get":
        _refuse("its client data is not that of a signature")
    if data.get("challenge") != base64.urlsafe_b64encode(challenge(statement)).rstrip(b"=").decode():
        _refuse("it was made for another statement")
    if data.get("crossOrigin", False) is not False or "topOrigin" in data:
        _refuse("it was made inside a page of another site")
    said = data.get("origin")
    return said if isinstance(said, str) else _refuse("its client data names no page")


def _count(data: bytes, host: bytes) -> int:
    if not _LEAST <= len(data) <= AUTHENTICATOR_DATA_LIMIT:
        _refuse("its authenticator data has not the length that it has")
    if data[_HASH] != hashlib.sha256(host).digest():
        _refuse("it was made for another site")
    if not data[_FLAGS] & _USER_PRESENT or not data[_FLAGS] & _USER_VERIFIED:
        _refuse("nobody was verified to be there")
    return int.from_bytes(data[_COUNTER], "big")


def _refuse(reason: str) -> NoReturn:
    raise SignatureRefused(reason)
