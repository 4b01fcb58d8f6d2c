"""Proof, within the last ten minutes, of who sits at a session: what changes of authority ask for.

Proving it again starts a new session and ends the old one, so the session's own age is the proof's age and nothing else
has to be remembered. A page that asks for it has a `proof` in its context, includes `confirm.html`, and shows the forms
that need it only where `proof.given`.
"""

from dataclasses import dataclass
from datetime import timedelta

from starlette.requests import Request

from review_web.errors import Refusal
from review_web.security import passwords_are_safe
from review_web.sessions import require_reviewer
from review_web.site_context import Site
from store.people import Role, Session, SignIn
from store.people.identities import LinkedIdentity

PROOF_LASTS = timedelta(minutes=10)
_LONG_AGO = "You signed in more than ten minutes ago."


def proven(site: Site, session: Session) -> bool:
    """Whether this person proved within ten minutes who they are."""
    # Another provider may have let through whoever sat at a browser that was signed in there: that proves nobody.
    return session.method is not SignIn.OIDC and site.clock() - session.created_at < PROOF_LASTS


@dataclass(frozen=True)
class Proof:
    """What `confirm.html` needs, of the person who looks at a page."""

    given: bool
    """They proved within ten minutes who they are."""
    next: str
    """Where confirming leads back to: a path on this site."""
    username: str
    passkey: bool
    """They can confirm with a passkey, under this address."""
    password: bool
    """They can confirm with a password, over this connection."""
    provider: str | None
    """They can confirm at another provider, which people call this; None without one."""


async def proof_of(site: Site, request: Request) -> Proof:
    """The proof of whoever looks at this page.

    Raises:
        SignInNeeded: nobody is signed in.
    """
    session = require_reviewer(request)
    reviewer = session.reviewer
    possible = site.settings.relying_party is not None
    return Proof(
        given=proven(site, session),
        next=request.url.path,
        username=reviewer.username,
        passkey=possible and bool(await site.people.passkeys(reviewer.id)),
        password=reviewer.has_password and passwords_are_safe(request, site.settings),
        provider=site.provider if await identities_of(site, reviewer.id) else None,
    )


async def identities_of(site: Site, reviewer_id: str) -> tuple[LinkedIdentity, ...]:
    """What of another provider signs this person in; nothing without a provider."""
    return () if site.federation is None else tuple(await site.federation.identities.of(reviewer_id))


def require_proof(site: Site, request: Request) -> Session:
    """The session of whoever is signed in, in any role, and proved who they are just now.

    Raises:
        SignInNeeded: nobody is signed in.
        Refusal: they signed in longer ago.
    """
    session = require_reviewer(request)
    if not proven(site, session):
        unasked = session.method is SignIn.OIDC
        why = "You signed in with another provider, which may not have asked you." if unasked else _LONG_AGO
        raise Refusal(
            403,
            "Confirm first that it is you",
            f"{why} Nothing was changed.",
            "Confirm on the account page that it is you, then repeat it.",
            reason="confirm_first",
        )
    return session


def require_admin(request: Request) -> Session:
    """The session of an admin.

    Raises:
        SignInNeeded: nobody is signed in.
        Refusal: somebody else is.
    """
    session = require_reviewer(request)
    if session.reviewer.role is not Role.ADMIN:
        raise Refusal(
            403,
            "Admins only",
            f"{session.reviewer.display_name} is signed in in the role {session.reviewer.role.value}. "
            "Nothing was changed.",
            "Ask an admin; the page People names them.",
            reason="role",
        )
    return session


def require_proven_admin(site: Site, request: Request) -> Session:
    """The session of an admin who proved within ten minutes who they are: for every change of authority.

    Raises:
        SignInNeeded, Refusal
    """
    require_admin(request)
    return require_proof(site, request)
