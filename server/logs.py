"""The process's log, to stderr: for people on a terminal, else a JSON object a line.

No line holds a credential or a query string. Ours never log one. Libraries are heard from warnings on, whatever the
level: below that they write down what passes through them, a statement with its values or a request with its headers.
What they do say passes through `redacted`.
"""

import logging
import re
import sys
from collections.abc import Mapping

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from server.config import LogLevel

_SECRETS = re.compile(r"(?i)\b(bearer\s+)\S+|\b((?:ast|rvt|ses|setup|invite|cred)_)[\w-]{8,}|(\?)[^\s\"']*=[^\s\"']*")
_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_OURS = ("assent", "server", "review_web", "store")
_TELLTALES = ("mcp.client", "client")
"""Libraries that quote in warnings what upstreams sent them. What is wrong with one stands in its health line."""


def redacted(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Blank out whatever looks like a credential or a query, in any text of the line."""
    # Keys with an underscore are structlog's own: they are taken away before anything is written.
    return {key: value if key.startswith("_") else _blanked(value) for key, value in event.items()}


def configure(level: LogLevel) -> None:
    """Send structlog's and every library's records to stderr, in one form."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redacted,
    ]
    renderer: Processor = (
        structlog.dev.ConsoleRenderer()
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    ours = logging.getLevelNamesMapping()[level.value.upper()]
    root.setLevel(max(ours, logging.WARNING))
    for name in _OURS:
        logging.getLogger(name).setLevel(ours)
    for name in _TELLTALES:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def _blanked(value: object) -> object:
    """The same value without credentials. What is no text, number or plain collection becomes a text first."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): _blanked(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_blanked(inner) for inner in value]
    text = _SECRETS.sub(lambda match: f"{match[1] or match[2] or match[3]}…", str(value))
    # What steers a terminal is written out: a header or a name of a stranger's must not repaint the operator's screen.
    return _STEERING.sub(lambda match: f"\\x{ord(match[0]):02x}", text)
