"""What docs/gateway.md says of settings, limits and commands is so."""

import re
from dataclasses import fields

import pytest

from server.cli import COMMANDS
from server.config import Settings
from server.gateway.limits import Limits
from server.gateway.results import NOT_PERMITTED
from server.home import Home
from store.calls.definitions import LONGEST_NAME
from store.policy.policies import MOST_REPLAYED
from store.policy.upstreams import Upstream
from tests.repository import ROOT

DOCUMENT = (ROOT / "docs" / "gateway.md").read_text("utf-8")
WORDS = " ".join(DOCUMENT.split())


def test_every_setting_of_upstreams_stands_there_with_its_default() -> None:
    said = dict(re.findall(r"^\| `(upstream_\w+)` \|.*\| ([^|]+) \|$", DOCUMENT, re.MULTILINE))
    settings = Settings(Home(ROOT))
    names = [field.name for field in fields(Settings) if field.name.startswith("upstream_")]

    assert said == {name: _written(getattr(settings, name)) for name in names}


def _written(number: int) -> str:
    return f"{number >> 20} MiB" if number >= 1 << 20 else str(number)


@pytest.mark.parametrize(
    "sentence",
    [
        f"{Limits().connect_seconds:.0f} seconds to start",
        f"{Limits().definitions:,} definitions of an upstream",
        "a minute for a call",
        f"Names over {LONGEST_NAME} characters",
        f"the protocol error {NOT_PERMITTED}",
        f"the newest {MOST_REPLAYED:,} calls",
        "`asleep`, `starting`, `up`, or `down`",
    ],
)
def test_what_it_says_of_limits_is_so(sentence: str) -> None:
    assert sentence in WORDS
    assert Upstream("x").timeout_seconds == 60


def test_every_command_in_it_exists() -> None:
    named = set(re.findall(r"(?:^|`)assent ([a-z]+)", DOCUMENT, re.MULTILINE))

    assert {"adopt", "policy", "upstreams"} <= named
    assert named - set(COMMANDS) == set()
