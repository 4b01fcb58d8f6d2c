"""The process's log, to stderr: for people on a terminal, else a JSON object a line.

No line holds a credential or a query string. Ours never log one; what other libraries say passes through `redacted`.
"""

import logging
import re
import sys

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from server.config import LogLevel

_SECRETS = re.compile(r"(?i)\b(bearer\s+)\S+|\b((?:ast|rvt|ses|setup|cred)_)[\w-]{8,}|(\?)[^\s\"']*=[^\s\"']*")
# These libraries name sessions, addresses and headers at lower levels.
_QUIET = ("mcp", "httpx2", "httpcore2", "uvicorn", "sse_starlette", "asyncio", "alembic")


def redacted(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Blank out whatever looks like a credential or a query, in any text of the line."""
    return {key: _blanked(value) if isinstance(value, str) else value for key, value in event.items()}


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
    root.setLevel(level.value.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def _blanked(text: str) -> str:
    return _SECRETS.sub(lambda match: f"{match[1] or match[2] or match[3]}…", text)
