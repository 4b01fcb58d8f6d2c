"""How long clients wait for a tool call before they give up, as data.

A call to a client that gives up early is answered `pending` in time: an answer that nobody reads helps nobody. The
names are what clients send as `clientInfo.name`, compared without case; a client that is not in the table is taken to
be of the impatient kind. The configuration may say otherwise of any name: `[clients]` in assent.toml.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

UNKNOWN_SECONDS = 45.0
"""Under the 60 seconds that several SDKs and connectors allow by default, progress or not."""
FOREVER = "forever"


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
        "assent-ask": Patience(None, _AS_LONG_AS_IT_TAKES),
        "claude-ai": Patience(230.0, "reported: about four minutes in the desktop application"),
        "codex-mcp-client": Patience(280.0, "measured: gives up at 300 s, progress does not help"),
        "gemini-cli-mcp-client": Patience(540.0, "read: 600 s"),
    }
)


@dataclass(frozen=True)
class Clients:
    """The table, and what the configuration says over it: names without case, and seconds, None for forever."""

    configured: tuple[tuple[str, float | None], ...] = ()

    @classmethod
    def of(cls, written: object) -> "Clients":
        """From a table of names, or from a text like `cursor=55,my-agent=forever`.

        Raises:
            ValueError: a name comes twice, or a value is neither a number of seconds nor "forever".
        """
        if isinstance(written, str):
            pairs = [tuple(part.strip() for part in pair.rpartition("=")[::2]) for pair in written.split(",")]
        elif isinstance(written, Mapping):
            pairs = list(written.items())
        else:
            raise ValueError(f'give a table of names and seconds, such as cursor = 55 or my-agent = "{FOREVER}"')
        configured: dict[str, float | None] = {}
        for name, value in pairs:
            key = str(name).lower()
            if not key:
                raise ValueError("each entry needs the client's name, as it sends it in clientInfo")
            if key in configured:
                raise ValueError(f"{key} is there twice: names are compared without case")
            configured[key] = _seconds(key, value)
        return cls(tuple(configured.items()))

    def patience(self, client_name: str | None) -> float | None:
        """Seconds to hold a call of this client; None when it waits for as long as it takes."""
        key = (client_name or "").lower()
        for name, seconds in self.configured:
            if name == key:
                return seconds
        known = PATIENCE.get(key)
        return UNKNOWN_SECONDS if known is None else known.seconds

    def __str__(self) -> str:
        return ",".join(f"{name}={FOREVER if seconds is None else f'{seconds:g}'}" for name, seconds in self.configured)


def _seconds(name: str, value: object) -> float | None:
    if value == FOREVER:
        return None
    try:
        # A boolean is a number to Python, and a mistake here.
        seconds = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        seconds = math.nan
    if not 1 <= seconds < math.inf:
        raise ValueError(f'{name}: give seconds, from 1 on, or "{FOREVER}"')
    return seconds
