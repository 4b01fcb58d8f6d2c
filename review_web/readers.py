"""Who reads through the JSON interface: a person at a session, or a program with a reviewer token."""

from starlette.requests import Request

from review_web.errors import Refusal
from review_web.sessions import require_reviewer
from review_web.site_context import Site
from store.people import Reviewer


async def require_reader(site: Site, request: Request) -> tuple[Reviewer, bool]:
    """Who reads, and whether it is a person at a session, to whom it counts as shown.

    Raises:
        Refusal: the token is not a reviewer's.
        SignInNeeded: there is neither a token nor a session.
    """
    token = bearer_token(request)
    if token is None:
        return require_reviewer(request).reviewer, True
    reviewer = await site.people.token_reviewer(token)
    if reviewer is None:
        raise Refusal(
            401,
            "Unknown token",
            "This token opens nothing here.",
            "A reviewer token comes from `assent user token NAME`; agents' tokens are for /mcp only.",
            reason="token",
            headers={"WWW-Authenticate": 'Bearer realm="assent"'},
        )
    return reviewer, False


def bearer_token(request: Request) -> str | None:
    """The token, if the call names one at all: then the cookie beside it is not looked at."""
    header = request.headers.get("authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
