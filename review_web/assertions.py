"""A passkey's signature as it comes with a decision, in a form's field or a JSON body's member."""

from typing import Any

from webauthn import base64url_to_bytes

from review_web.site_context import Site
from store.answers import Fault
from store.people import Session
from store.signing.signed import FIELD, SignedDecision
from store.strict_json import NotStrictJson, read_strict_json

_MALFORMED = Fault(FIELD, "the signature could not be read; press the button again")


async def read_assertion(site: Site, session: Session, given: object) -> SignedDecision | Fault | None:
    """The signature that came with a decision: `given` is the form's field or the JSON body's member, None or empty
    without one. Nothing of it is believed yet."""
    if given is None or given == "":
        return None
    try:
        members: Any = read_strict_json(given.encode()) if isinstance(given, str) else given
        statement, credential = members["statement"], members["credential"]
        response = credential["response"]
        credential_id = _bytes(credential["rawId"])
        client_data, authenticator_data, signature = (
            _bytes(response[name]) for name in ("clientDataJSON", "authenticatorData", "signature")
        )
    except (NotStrictJson, KeyError, TypeError, ValueError):
        return _MALFORMED
    found = await site.people.passkey(credential_id)
    if found is None or not isinstance(statement, str):
        return _MALFORMED
    return SignedDecision(found[0].id, statement, client_data, authenticator_data, signature, session.id)


def _bytes(value: object) -> bytes:
    if not isinstance(value, str):
        raise TypeError("bytes come as base64url text")
    return base64url_to_bytes(value)
