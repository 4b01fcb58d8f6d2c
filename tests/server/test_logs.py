"""Whatever a library says, no credential and no query string reaches the log."""

import subprocess
import sys

import pytest
import structlog

from server.logs import redacted
from tests.repository import ROOT


@pytest.mark.parametrize(
    ("said", "logged"),
    [
        ("Authorization: Bearer abc.def-123", "Authorization: Bearer …"),
        ("token ast_SEPFN8388eMnHowlmLyOJCWl refused", "token ast_… refused"),
        ("cookie ses_2oAxPOilPnZAQtn7DhYT3ca", "cookie ses_…"),
        ("GET /setup?token=abc HTTP/1.1", "GET /setup?… HTTP/1.1"),
        ("is anybody there? yes", "is anybody there? yes"),
        ("at http://assent.localhost:7420/requests/1", "at http://assent.localhost:7420/requests/1"),
    ],
)
def test_what_looks_like_a_secret_is_blanked_and_nothing_else(said: str, logged: str) -> None:
    assert redacted(structlog.get_logger(), "info", {"event": said, "n": 1}) == {"event": logged, "n": 1}


def test_what_upstreams_send_is_not_logged_by_the_library_that_reads_it() -> None:
    program = (
        "import logging; from mcp.client import session, streamable_http; from server.config import LogLevel;"
        "from server.logs import configure; configure(LogLevel.DEBUG);"
        "session.logger.warning('theirs'); streamable_http.logger.error('theirs');"
        "logging.getLogger('mcp.server').warning('ours')"
    )
    said = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "ours" in said.stderr
    assert "theirs" not in said.stderr
