"""Whatever is not exactly this signature, by this key, under this statement, is refused."""

import json
from dataclasses import replace
from typing import Any

import pytest
from webauthn import verify_authentication_response
from webauthn.helpers import bytes_to_base64url

from store.signing.assertion import (
    AUTHENTICATOR_DATA_LIMIT,
    CLIENT_DATA_LIMIT,
    SIGNATURE_LIMIT,
    SignatureRefused,
    VerifiedAssertion,
    verify_assertion,
)
from store.signing.statement import challenge
from tests.store.signing.key_in_software import ORIGIN, AnyKey, EdDsaKey, Es256Key, Rs256Key, Signed, signed_with

KEY = Es256Key()
STATEMENT = '{"a":"statement"}'


def verified(signed: Signed, key: AnyKey = KEY, statement: str = STATEMENT, **site: Any) -> VerifiedAssertion:
    return verify_assertion(public_key=key.cose, statement=statement, **signed.parts, **site)


@pytest.mark.parametrize("key", [KEY, EdDsaKey(), Rs256Key()], ids=["ES256", "EdDSA", "RS256"])
def test_a_signature_says_where_it_was_made_and_how_often_the_key_signed(key: AnyKey) -> None:
    signed = signed_with(key, STATEMENT, count=7)
    assert verified(signed, key) == VerifiedAssertion(ORIGIN, 7)
    assert verified(signed, key, origin=ORIGIN, relying_party="consent.example.org") == VerifiedAssertion(ORIGIN, 7)


@pytest.mark.parametrize("key", [KEY, EdDsaKey(), Rs256Key()], ids=["ES256", "EdDSA", "RS256"])
def test_another_implementation_takes_the_same_signature(key: AnyKey) -> None:
    signed = signed_with(key, STATEMENT, count=7)
    response = {
        "clientDataJSON": bytes_to_base64url(signed.client_data),
        "authenticatorData": bytes_to_base64url(signed.authenticator_data),
        "signature": bytes_to_base64url(signed.signature),
    }
    taken = verify_authentication_response(
        credential={"id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": response},
        expected_challenge=challenge(STATEMENT),
        expected_rp_id="consent.example.org",
        expected_origin=ORIGIN,
        credential_public_key=key.cose,
        credential_current_sign_count=6,
        require_user_verification=True,
    )
    assert taken.new_sign_count == 7


@pytest.mark.parametrize("part", ["client_data", "authenticator_data", "signature"])
def test_no_byte_of_it_can_be_changed(part: str) -> None:
    signed = signed_with(KEY, STATEMENT)
    data = getattr(signed, part)
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1
        with pytest.raises(SignatureRefused):
            verified(replace(signed, **{part: bytes(changed)}))


@pytest.mark.parametrize("part", ["client_data", "authenticator_data", "signature"])
def test_no_byte_can_be_taken_away_or_added(part: str) -> None:
    signed = signed_with(KEY, STATEMENT)
    for data in (getattr(signed, part)[:-1], getattr(signed, part) + b"\0", b""):
        with pytest.raises(SignatureRefused):
            verified(replace(signed, **{part: data}))


def test_another_statement_or_another_key_is_not_what_was_signed() -> None:
    signed = signed_with(KEY, STATEMENT)
    with pytest.raises(SignatureRefused, match="another statement"):
        verified(signed, statement='{"another":"statement"}')
    with pytest.raises(SignatureRefused, match="not made with this passkey"):
        verified(signed, key=Es256Key())
    with pytest.raises(SignatureRefused, match="public key"):
        verify_assertion(public_key=b"\x00", statement=STATEMENT, **signed.parts)


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        ({"type": "webauthn.create"}, "not that of a signature"),
        ({"type": None}, "not that of a signature"),
        ({"challenge": None}, "another statement"),
        ({"challenge": "AAAA"}, "another statement"),
        ({"crossOrigin": True}, "inside a page of another site"),
        ({"crossOrigin": "false"}, "inside a page of another site"),
        ({"topOrigin": "https://evil.example"}, "inside a page of another site"),
        ({"origin": None}, "names no page"),
        ({"origin": 7}, "names no page"),
        ({"origin": "https://evil.example"}, "for another site"),
        ({"relying_party": "evil.example"}, "for another site"),
        ({"flags": 0x01}, "nobody was verified"),
        ({"flags": 0x04}, "nobody was verified"),
    ],
    ids=str,
)
def test_a_signature_that_was_made_otherwise_is_refused(made: dict[str, Any], reason: str) -> None:
    with pytest.raises(SignatureRefused, match=reason):
        verified(signed_with(KEY, STATEMENT, **made))


def test_a_site_takes_signatures_of_its_own_pages_only() -> None:
    other_port = signed_with(KEY, STATEMENT, origin=f"{ORIGIN}:8443")
    assert verified(other_port).origin == f"{ORIGIN}:8443"
    with pytest.raises(SignatureRefused, match="on a page of"):
        verified(other_port, origin=ORIGIN, relying_party="consent.example.org")


@pytest.mark.parametrize("data", [b"\xff", b"[]", b"{", b'{"type":"webauthn.get","type":"webauthn.get"}'])
def test_client_data_that_is_no_object_with_one_meaning_is_refused(data: bytes) -> None:
    with pytest.raises(SignatureRefused):
        verified(replace(signed_with(KEY, STATEMENT), client_data=data))


def test_what_is_longer_than_any_signature_is_refused_before_it_is_read() -> None:
    signed = signed_with(KEY, STATEMENT)
    padded = json.dumps({**json.loads(signed.client_data), "padding": "x" * CLIENT_DATA_LIMIT}).encode()
    for longer in (
        replace(signed, client_data=padded),
        replace(signed, signature=bytes(SIGNATURE_LIMIT + 1)),
        replace(signed, authenticator_data=signed.authenticator_data + bytes(AUTHENTICATOR_DATA_LIMIT)),
    ):
        with pytest.raises(SignatureRefused):
            verified(longer)
