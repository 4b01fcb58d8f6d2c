"""`assent agent pause|stop|resume`, for whoever has the server's files."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.server.talking import run


@pytest.fixture
def flags(tmp_path: Path) -> tuple[str, ...]:
    """A home with one agent."""
    flags = ("--home", str(tmp_path / "home"))
    assert run("agent", "add", "bot", *flags).returncode == 0
    return flags


def said(*arguments: str) -> Any:
    done = run("agent", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def listed(flags: tuple[str, ...]) -> str:
    return run("agent", "list", *flags).stdout


def test_an_agent_is_stopped_and_let_go_and_the_list_shows_it(flags: tuple[str, ...]) -> None:
    stopped = said("stop", "bot", "--why", "it went astray", *flags)
    assert {**stopped, "at": None} == {
        "agent": "bot",
        "how": "stopped",
        "by": None,
        "at": None,
        "why": "it went astray",
    }
    assert "stopped by the command line since" in listed(flags)
    (row,) = said("list", *flags)
    assert row["halt"] == stopped
    assert said("resume", "bot", *flags) == {"resumed": "bot"}
    assert "stopped" not in listed(flags)


def test_a_pause_gives_way_to_a_stop_and_not_the_other_way_round(flags: tuple[str, ...]) -> None:
    assert said("pause", "bot", *flags)["how"] == "paused"
    assert "paused by the command line since" in listed(flags)
    assert said("stop", "bot", *flags)["how"] == "stopped"
    paused = run("agent", "pause", "bot", *flags)
    assert paused.stdout.startswith("bot is stopped already, and stays so.")
    assert "stopped by the command line since" in listed(flags)


def test_everything_is_stopped_and_who_is_let_go_by_name_meanwhile_is_told_that_it_does_not_go_on(
    flags: tuple[str, ...],
) -> None:
    assert said("stop", "bot", *flags)["agent"] == "bot"
    assert said("stop", "--all", *flags)["agent"] is None
    assert "everything is stopped by the command line since" in listed(flags)
    resumed = run("agent", "resume", "bot", *flags)
    assert "everything is stopped, and nothing goes on: assent agent resume --all" in resumed.stdout
    assert said("resume", "--all", *flags) == {"resumed": None}
    assert "stopped" not in listed(flags)


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (("stop",), 2, "name one agent, or give --all"),
        (("stop", "bot", "--all"), 2, "name one agent, or give --all"),
        (("resume",), 2, "name one agent, or give --all"),
        (("stop", "nobody"), 1, "there is no agent named nobody"),
        (("pause", "nobody"), 1, "there is no agent named nobody"),
        (("resume", "bot"), 1, "bot was not held back"),
        (("resume", "--all"), 1, "everything was not held back"),
        (("stop", "bot", "--why", "x" * 501), 1, "the reason has 501 characters"),
    ],
    ids=lambda value: " ".join(value)[:20] if isinstance(value, tuple) else None,
)
def test_what_cannot_be_done_is_refused_and_holds_nobody_back(
    flags: tuple[str, ...], arguments: tuple[str, ...], code: int, error: str
) -> None:
    done = run("agent", *arguments, *flags)
    assert (done.returncode, done.stdout) == (code, "")
    assert error in done.stderr
    assert "stopped" not in listed(flags)
