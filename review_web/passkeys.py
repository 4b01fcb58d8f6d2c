"""Passkey ceremonies (WebAuthn Level 3): what the browser is asked for, and whether its answer counts.

Every answer must be over the challenge of its own ceremony, from our own origin, for our own relying party, and say
that the authenticator verified its user: a passkey signs a person in alone, so a found phone must not.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn

from webauthn import (
    base64url_to_bytes,
    generate_authentication_options,
    generate_registration_options,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import parse_authentication_credential_json, parse_registration_credential_json
from webauthn.helpers.options_to_json_dict import options_to_json_dict
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from review_web.ceremonies import LIFETIME, Ceremony
from review_web.errors import Refusal
from review_web.settings import SiteSettings
from store.people import Passkey, Reviewer

_log = logging.getLogger(__name__)
_TIMEOUT_MILLISECONDS = int(LIFETIME.total_seconds() * 1000)


@dataclass(frozen=True)
class VerifiedPasskey:
    """A credential whose registration was verified."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: tuple[str, ...]


class PasskeyRefused(Exception):
    """The browser's answer does not count. The reason is in the log; outside it is one and the same."""


def relying_party(settings: SiteSettings) -> str:
    """The host that passkeys here are bound to.

    Raises:
        Refusal: browsers offer no passkeys under this address.
    """
    host = settings.relying_party
    if host is None:
        raise Refusal(
            409,
            "No passkeys under this address",
            "Browsers offer passkeys only over HTTPS, or on this machine under a localhost name.",
            "Sign in with a password, or set public_url to an https address.",
        )
    return host


def sign_in_options(ceremony: Ceremony, settings: SiteSettings) -> dict[str, Any]:
    """What `parseRequestOptionsFromJSON` takes: any passkey of this site, so nobody has to type a name."""
    options = generate_authentication_options(
        rp_id=relying_party(settings),
        challenge=ceremony.challenge,
        timeout=_TIMEOUT_MILLISECONDS,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json_dict(options)


def signing_options(challenge: bytes, lifetime: timedelta, settings: SiteSettings, passkey: Passkey) -> dict[str, Any]:
    """What `parseRequestOptionsFromJSON` takes for signing: that one passkey, which the statement names."""
    options = generate_authentication_options(
        rp_id=relying_party(settings),
        challenge=challenge,
        timeout=int(lifetime.total_seconds() * 1000),
        allow_credentials=[PublicKeyCredentialDescriptor(id=passkey.credential_id, transports=_transports(passkey))],
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json_dict(options)


def registration_options(
    ceremony: Ceremony, settings: SiteSettings, reviewer: Reviewer, passkeys: Sequence[Passkey]
) -> dict[str, Any]:
    """What `parseCreationOptionsFromJSON` takes: a discoverable credential, on a device that holds none of theirs."""
    options = generate_registration_options(
        rp_id=relying_party(settings),
        rp_name="Assent",
        user_id=_user_handle(reviewer),
        user_name=reviewer.username,
        user_display_name=reviewer.display_name,
        challenge=ceremony.challenge,
        timeout=_TIMEOUT_MILLISECONDS,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[
            PublicKeyCredentialDescriptor(id=passkey.credential_id, transports=_transports(passkey))
            for passkey in passkeys
        ],
    )
    return options_to_json_dict(options)


def claimed_credential(credential: Mapping[str, Any]) -> bytes:
    """The credential id that a sign-in answer claims, before anything is proved.

    Raises:
        PasskeyRefused: there is none.
    """
    raw_id = credential.get("rawId")
    try:
        return base64url_to_bytes(raw_id) if isinstance(raw_id, str) and raw_id else _refuse("it names no credential")
    except ValueError:
        return _refuse("its credential id is not base64url")


def check_sign_in(
    credential: dict[str, Any], ceremony: Ceremony, settings: SiteSettings, passkey: Passkey, reviewer: Reviewer
) -> int:
    """The authenticator's new signature count, once the answer is proved to come from this passkey of this reviewer.

    Raises:
        PasskeyRefused: anything at all is wrong with it.
    """
    try:
        answer = parse_authentication_credential_json(credential)
        # A discoverable credential names its owner; one that names another person is not theirs to sign in with.
        if answer.response.user_handle != _user_handle(reviewer):
            _refuse("its user handle is not the reviewer's")
        verified = verify_authentication_response(
            credential=answer,
            expected_challenge=ceremony.challenge,
            expected_rp_id=relying_party(settings),
            expected_origin=settings.origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=True,
        )
    except PasskeyRefused:
        raise
    except Exception as problem:  # noqa: BLE001  # denies: whatever a crafted answer makes the parsers raise
        _refuse(repr(problem))
    return verified.new_sign_count


def check_registration(credential: dict[str, Any], ceremony: Ceremony, settings: SiteSettings) -> VerifiedPasskey:
    """The new passkey, once the answer is proved to be to this ceremony.

    Raises:
        PasskeyRefused: anything at all is wrong with it.
    """
    try:
        answer = parse_registration_credential_json(credential)
        verified = verify_registration_response(
            credential=answer,
            expected_challenge=ceremony.challenge,
            expected_rp_id=relying_party(settings),
            expected_origin=settings.origin,
            require_user_verification=True,
        )
    except Exception as problem:  # noqa: BLE001  # denies: whatever a crafted answer makes the parsers raise
        _refuse(repr(problem))
    transports = tuple(transport.value for transport in answer.response.transports or ())
    return VerifiedPasskey(verified.credential_id, verified.credential_public_key, verified.sign_count, transports)


def _refuse(reason: str) -> NoReturn:
    _log.warning("a passkey answer was refused: %s", reason)
    raise PasskeyRefused


def _user_handle(reviewer: Reviewer) -> bytes:
    return reviewer.id.encode()


def _transports(passkey: Passkey) -> list[AuthenticatorTransport]:
    known = {transport.value: transport for transport in AuthenticatorTransport}
    return [known[name] for name in passkey.transports if name in known]
