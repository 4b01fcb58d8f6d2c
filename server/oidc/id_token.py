"""Pure: an ID token, checked (OpenID Connect Core 1.0, section 3.1.3.7), or refused with the reason.

The signature is checked always, also where the token came straight over TLS. Algorithms are ours to choose, never the
token's: none and the symmetric ones, for which the public key would be the secret, are not among them.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from authlib.oidc.core import CodeIDToken
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from store.people.identities import ForeignIdentity, ProviderProblem

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519")
LEEWAY = timedelta(seconds=60)
"""How far the provider's clock may be from ours."""
_KEYS: dict[str, type[RSAKey | ECKey | OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
_FAMILY = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
_LEAST_RSA_BITS = 2048
_SUBJECT_LIMIT = 255
_TEXT_LIMIT = 254
_KEYS_LIMIT = 32

AnyKey = RSAKey | ECKey | OKPKey


class NoSuchKey(ProviderProblem):
    """The token names a key that is not in the set: the provider may have got a new one."""


@dataclass(frozen=True)
class Expected:
    """What the token must say, and when it is looked at."""

    issuer: str
    client_id: str
    nonce: str
    now: datetime
    asked_anew_at: datetime | None = None
    """When the provider was told to ask the person anew; None where it was not."""
    access_token: str | None = None


def checked_identity(id_token: str, key_set: Mapping[str, Any], expected: Expected) -> ForeignIdentity:
    """Whom the token says the provider signed in.

    Raises:
        NoSuchKey, ProviderProblem
    """
    try:
        header, claims = _signed(id_token, key_set)
        token = CodeIDToken(
            claims,
            header,
            options={
                "iss": {"essential": True, "value": expected.issuer},
                "aud": {"essential": True, "value": expected.client_id},
            },
            params={
                "nonce": expected.nonce,
                "client_id": expected.client_id,
                "access_token": expected.access_token,
            },
        )
        token.validate(now=int(expected.now.timestamp()), leeway=int(LEEWAY.total_seconds()))
    except (JoseError, ValueError, TypeError, RecursionError) as problem:
        raise ProviderProblem(f"the ID token is refused: {problem}") from problem
    return _identity(claims, expected)


def _signed(id_token: str, key_set: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a token that one of these keys signed."""
    registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
    token = jws.extract_compact(id_token.encode("ascii", "replace"), None, registry)
    header = token.headers()
    algorithm = header.get("alg")
    if algorithm not in ALGORITHMS:
        raise ProviderProblem(f"the ID token is refused: it is signed by {str(algorithm)[:20]!r}")
    if not jws.validate_compact(token, _key(header, algorithm, key_set), [algorithm], registry):
        raise ProviderProblem("the ID token is refused: its signature is not the provider's")
    claims = json.loads(token.payload or b"")
    if not isinstance(claims, dict):
        raise ProviderProblem("the ID token is refused: its claims are no object")
    return dict(header), claims


def _key(header: Mapping[str, Any], algorithm: str, key_set: Mapping[str, Any]) -> AnyKey:
    """The provider's own key that the header names, if it is meant for this. A key in the header itself is nobody's."""
    written = key_set.get("keys")
    fitting = [
        one
        for one in (written if isinstance(written, list) else [])[:_KEYS_LIMIT]
        if isinstance(one, dict)
        and one.get("kty") == _FAMILY[algorithm[:2]]
        and one.get("use", "sig") == "sig"
        and one.get("alg", algorithm) == algorithm
    ]
    named = [one for one in fitting if one.get("kid") == header.get("kid")] if "kid" in header else fitting
    if len(named) != 1:
        raise NoSuchKey(f"the ID token names no single key of the provider: {len(named)} fit")
    (one,) = named
    # Only what is public is taken over: a set that holds more by mistake changes nothing here.
    public = {name: one[name] for name in ("kty", "n", "e", "crv", "x", "y") if name in one}
    if one["kty"] == "RSA" and (bits := _bits(public.get("n"))) < _LEAST_RSA_BITS:
        raise ProviderProblem(f"the provider's key has {bits} bits; {_LEAST_RSA_BITS} are the least")
    return _KEYS[one["kty"]].import_key(public)


def _bits(modulus: object) -> int:
    text = str(modulus)
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))).bit_length()


def _identity(claims: Mapping[str, Any], expected: Expected) -> ForeignIdentity:
    subject = claims["sub"]
    if not subject or len(subject) > _SUBJECT_LIMIT or not subject.isascii() or not subject.isprintable():
        raise ProviderProblem("the ID token is refused: its subject is not one of at most 255 ASCII characters")
    return ForeignIdentity(
        issuer=expected.issuer,
        subject=subject,
        email=_text(claims.get("email")),
        # The word "true" in quotes, which some send, is not the provider's yes.
        email_verified=claims.get("email_verified") is True,
        name=_text(claims.get("name")),
        fresh=_is_fresh(claims.get("auth_time"), expected.asked_anew_at),
    )


def _is_fresh(auth_time: object, asked_anew_at: datetime | None) -> bool:
    if asked_anew_at is None or isinstance(auth_time, bool) or not isinstance(auth_time, int | float):
        return False
    return auth_time >= (asked_anew_at - LEEWAY).timestamp()


def _text(value: object) -> str | None:
    """A claim that is a text as people write it, else None: what is odd is left out, as it decides nothing."""
    if not isinstance(value, str) or not 0 < len(value) <= _TEXT_LIMIT or not value.isprintable():
        return None
    return value
