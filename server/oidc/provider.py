"""The provider that the settings name: found by discovery, asked with PKCE, and believed after checking.

Discovery and keys are kept for an hour; a token with a key that is not among them makes one look anew, at most once a
minute. One look at a time, and a failed one counts for some seconds: who presses the button often does not make this
server call out often.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import anyio
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from server.addresses import is_loopback
from server.oidc.configuration import OidcSettings, is_safe_address
from server.oidc.fetching import Fetching
from server.oidc.id_token import Expected, NoSuchKey, checked_identity
from store.moments import Clock
from store.people.identities import ForeignIdentity, ProviderProblem

KEPT_FOR = timedelta(hours=1)
KEYS_AT_MOST_EVERY = timedelta(minutes=1)
FAILED_FOR = timedelta(seconds=5)
SCOPE = "openid email profile"


@dataclass(frozen=True)
class _Found:
    """What discovery says, as far as it is used."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    basic: bool
    """The client's secret goes as HTTP Basic, else in the form."""
    names_itself: bool
    """It says `iss` when it sends a person back (RFC 9207)."""
    until: datetime


class Provider:
    """Signs people in at one provider. `redirect_uri` is where it sends them back to, exactly as registered there."""

    def __init__(
        self, settings: OidcSettings, redirect_uri: str, clock: Clock, fetching: Fetching | None = None
    ) -> None:
        self._settings = settings
        self._secret = settings.secret()
        self._redirect_uri = redirect_uri
        self._clock = clock
        self._fetching = fetching or Fetching()
        self._lock: anyio.Lock | None = None
        self._found: _Found | None = None
        self._keys: Mapping[str, Any] | None = None
        self._keys_at: datetime | None = None
        self._failed: tuple[datetime, str] | None = None

    @property
    def label(self) -> str:
        """What people call it."""
        return self._settings.called

    @property
    def issuer(self) -> str:
        return self._settings.issuer

    def may_join(self, who: ForeignIdentity) -> bool:
        """Whether somebody whom nobody knows here gets an account by signing in there."""
        return self._settings.auto_create and who.email_domain in self._settings.allowed_domains

    async def sign_in_page(self, *, state: str, nonce: str, verifier: str, anew: bool) -> str:
        """Where to send the browser. `anew` asks for the person themself, even if they are signed in there.

        Raises:
            ProviderProblem
        """
        found = await self._discovered()
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._redirect_uri,
            "scope": SCOPE,
            "state": state,
            "nonce": nonce,
            "code_challenge": create_s256_code_challenge(verifier),
            "code_challenge_method": "S256",
            **({"prompt": "login", "max_age": "0"} if anew else {}),
        }
        joint = "&" if urlsplit(found.authorization_endpoint).query else "?"
        return f"{found.authorization_endpoint}{joint}{urlencode(query)}"

    async def identity(
        self, *, code: str, came_from: str | None, nonce: str, verifier: str, asked_anew_at: datetime | None
    ) -> ForeignIdentity:
        """Whom the provider signed in, for the code that the browser came back with. `came_from` is its `iss`, if any.

        Raises:
            ProviderProblem
        """
        found = await self._discovered()
        # The code of another provider must not be handed to this one, nor the other way round (RFC 9207).
        if came_from != self.issuer and (came_from is not None or found.names_itself):
            raise ProviderProblem(f"the browser comes from {str(came_from)[:100]!r}, not from {self.issuer}")
        answer = await self._redeemed(found, code, verifier)
        id_token, access_token = answer.get("id_token"), answer.get("access_token")
        if not isinstance(id_token, str):
            raise ProviderProblem(f"{found.token_endpoint} gave no ID token")
        expected = Expected(
            self.issuer,
            self._settings.client_id,
            nonce,
            self._clock(),
            asked_anew_at,
            access_token if isinstance(access_token, str) else None,
        )
        try:
            return checked_identity(id_token, await self._key_set(found), expected)
        except NoSuchKey:
            return checked_identity(id_token, await self._key_set(found, anew=True), expected)

    async def _redeemed(self, found: _Found, code: str, verifier: str) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": verifier,
        }
        client_id = self._settings.client_id
        if self._secret is not None and found.basic:
            # Both are form-encoded before they are joined by a colon (RFC 6749, section 2.3.1).
            auth = (quote_plus(client_id), quote_plus(self._secret))
            return await self._fetching.post(found.token_endpoint, form, auth=auth)
        secret = {} if self._secret is None else {"client_secret": self._secret}
        return await self._fetching.post(found.token_endpoint, {**form, "client_id": client_id, **secret})

    async def _key_set(self, found: _Found, *, anew: bool = False) -> Mapping[str, Any]:
        async with self._only_one():
            age = None if self._keys_at is None else self._clock() - self._keys_at
            if self._keys is None or age is None or age >= (KEYS_AT_MOST_EVERY if anew else KEPT_FOR):
                self._keys = await self._fetching.get(found.jwks_uri)
                self._keys_at = self._clock()
            return self._keys

    async def _discovered(self) -> _Found:
        async with self._only_one():
            now = self._clock()
            if self._found is not None and now < self._found.until:
                return self._found
            if self._failed is not None and now < self._failed[0]:
                raise ProviderProblem(self._failed[1])
            try:
                address = f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"
                self._found = self._read(await self._fetching.get(address), now + KEPT_FOR)
            except ProviderProblem as problem:
                self._failed = (self._clock() + FAILED_FOR, problem.message)
                raise
            return self._found

    def _read(self, metadata: Mapping[str, Any], until: datetime) -> _Found:
        if metadata.get("issuer") != self.issuer:
            said = str(metadata.get("issuer"))[:100]
            raise ProviderProblem(f"{self.issuer} calls itself {said!r}; the setting must say the same, to the letter")
        methods = metadata.get("code_challenge_methods_supported")
        if isinstance(methods, list) and "S256" not in methods:
            raise ProviderProblem(f"{self.issuer} takes no PKCE with S256")
        ways = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        return _Found(
            self._endpoint(metadata, "authorization_endpoint"),
            self._endpoint(metadata, "token_endpoint"),
            self._endpoint(metadata, "jwks_uri"),
            basic=not isinstance(ways, list) or "client_secret_basic" in ways or "client_secret_post" not in ways,
            names_itself=metadata.get("authorization_response_iss_parameter_supported") is True,
            until=until,
        )

    def _endpoint(self, metadata: Mapping[str, Any], name: str) -> str:
        address = metadata.get(name)
        if not isinstance(address, str) or not is_safe_address(address) or urlsplit(address).fragment:
            raise ProviderProblem(f"{self.issuer} has no safe {name}: {str(address)[:100]!r}")
        # A provider elsewhere must not make this server call what listens on its own machine.
        if _on_this_machine(address) and not _on_this_machine(self.issuer):
            raise ProviderProblem(f"{self.issuer} names a {name} on this machine: {address[:100]!r}")
        return address

    def _only_one(self) -> anyio.Lock:
        if self._lock is None:
            self._lock = anyio.Lock()
        return self._lock


def _on_this_machine(url: str) -> bool:
    return is_loopback(urlsplit(url).hostname or "")
