"""What the documentation of hooks says is so."""

import re

from server.commands.hook import WITHIN_SECONDS
from server.hooks.forms import FORMS
from server.hooks.settings import DAY_SECONDS, DEFER_SECONDS, HOOKS, HookWay
from store.policy.clients import CLIENTS
from store.policy.reading import read
from tests.repository import ROOT

HOOKS_PAGE = (ROOT / "docs" / "hooks.md").read_text("utf-8")


def test_the_rules_are_rules() -> None:
    (example,) = re.findall(r"^```yaml\n(.*?)^```", HOOKS_PAGE, re.MULTILINE | re.DOTALL)

    assert len(read(f"version: 1\n{example}").rules) == 4


def test_every_client_is_named_as_rules_and_the_command_line_know_it() -> None:
    assert all(f"{client}:" in HOOKS_PAGE for client in CLIENTS)
    assert all(name in HOOKS_PAGE for name in FORMS)


def test_the_places_that_are_named_are_those_that_are_printed() -> None:
    where = HOOKS["claude-code"](HookWay("http://127.0.0.1:7420", (), "x")).where

    for place in re.findall(r"`(/[^`]+|C:[^`]+)`", HOOKS_PAGE.partition("| where |")[2].partition("\n")[0]):
        assert place in where


def test_the_times_are_as_written_and_a_command_refuses_before_its_client_gives_up() -> None:
    assert f"?defer={DEFER_SECONDS}" in HOOKS_PAGE
    assert f"after {WITHIN_SECONDS:,} seconds" in HOOKS_PAGE
    assert WITHIN_SECONDS < DAY_SECONDS
