"""Offering the review page to whoever sits before the client: URL elicitation, beside a wait and never part of it.

`accept` says that somebody opened a page, and unattended clients send `cancel` and `decline` by themselves: none of the
three is an answer to the question, and none ends the wait. Only the older protocol can ask its client something while a
call is held; in the newer one asking ends the call, and clients stop after a few such rounds.
"""

from typing import Any

import structlog
from mcp.server.context import ServerRequestContext
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

log = structlog.get_logger()

Context = ServerRequestContext[Any, Any]


def takes_pages(context: Context) -> bool:
    """Whether the client of this request can be offered a page while it waits."""
    if context.protocol_version in MODERN_PROTOCOL_VERSIONS:
        return False
    capabilities = context.session.client_capabilities
    elicitation = None if capabilities is None else capabilities.elicitation
    return elicitation is not None and elicitation.url is not None


async def offer_page(context: Context, request_id: str, url: str) -> None:
    """Offer the page of a request on the stream of the call that waits. Whatever comes of it is only logged."""
    try:
        said = await context.session.elicit_url(
            "A person is asked to decide. Open the review page?", url, request_id, related_request_id=context.request_id
        )
    except Exception as failure:  # noqa: BLE001 - a client that cannot show a page must not lose its wait
        log.info("page_not_offered", request=request_id, reason=type(failure).__name__)
    else:
        log.info("page_offered", request=request_id, said=said.action)
