"""How long clients wait for a tool call before they give up, as data.

A call to a client that gives up early is answered `pending` in time: an answer that nobody reads helps nobody. The
names are what clients send as `clientInfo.name`, compared without case; a client that is not in the table is taken to
be of the impatient kind.
"""

from dataclasses import dataclass
from types import MappingProxyType

UNKNOWN_SECONDS = 45.0
"""Under the 60 seconds that several SDKs and connectors allow by default, progress or not."""


@dataclass(frozen=True)
class Patience:
    """How long a call may be held: None is for as long as the question is open. `source` says how that is known."""

    seconds: float | None
    source: str


_AS_LONG_AS_IT_TAKES = "measured: no limit of its own"

PATIENCE = MappingProxyType(
    {
        "mcp": Patience(None, _AS_LONG_AS_IT_TAKES + " (Python SDK)"),
        "claude-code": Patience(None, "measured: progress every 10 s keeps a call alive"),
        "assent-demo": Patience(None, _AS_LONG_AS_IT_TAKES),
        "claude-ai": Patience(230.0, "reported: about four minutes in the desktop application"),
        "codex-mcp-client": Patience(280.0, "measured: gives up at 300 s, progress does not help"),
        "gemini-cli-mcp-client": Patience(540.0, "read: 600 s"),
    }
)


def patience(client_name: str | None) -> float | None:
    """Seconds to hold a call of this client; None when it waits for as long as it takes."""
    known = PATIENCE.get((client_name or "").lower())
    return UNKNOWN_SECONDS if known is None else known.seconds
