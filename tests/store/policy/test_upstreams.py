"""Upstreams: their names, what names a way of starting one, and the variables in it."""

from dataclasses import replace

import pytest

from store.policy.upstreams import Upstream, VariableMissing, filled, is_upstream_name

ONE = Upstream("files", command="npx", args=("-y", "server"), env=(("A", "1"), ("B", "2")), cwd="/srv")


@pytest.mark.parametrize("name", ["a", "files", "file-server", "my_files", "a1-b_2", "asking", "ask-me", "x" * 32])
def test_a_name_can_be_told_apart_from_the_tool_behind_it(name: str) -> None:
    assert is_upstream_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "A",
        "1a",
        "-a",
        "_a",
        "a_",
        "a__b",
        "a.b",
        "a:b",
        "a b",
        "ä",
        "a\n",
        "ask",
        "ask_",
        "ask_x",
        "x" * 33,
        "\uff41",
    ],
)
def test_any_other_name_is_none(name: str) -> None:
    assert not is_upstream_name(name)


@pytest.mark.parametrize(
    "change",
    [
        {"command": "uvx"},
        {"args": ("server", "-y")},
        {"env": (("A", "1"), ("B", "3"))},
        {"cwd": None},
        {"command": None, "args": (), "env": (), "cwd": None, "url": "https://example.org"},
    ],
)
def test_another_way_of_starting_it_has_another_hash(change: dict[str, object]) -> None:
    assert replace(ONE, **change).launch_sha256 != ONE.launch_sha256  # type: ignore[arg-type]


def test_the_order_of_variables_its_name_and_its_time_do_not_count() -> None:
    same = replace(ONE, name="other", env=(("B", "2"), ("A", "1")), timeout_seconds=5)
    assert same.launch_sha256 == ONE.launch_sha256


def test_variables_are_filled_in_once_and_everything_else_stays() -> None:
    environment = {"KEY": "{{env:OTHER}} $KEY", "OTHER": "x"}
    assert filled("Bearer {{env:KEY}}-{{ env:OTHER }}", environment) == "Bearer {{env:OTHER}} $KEY-x"
    assert filled("{{env}} {env:KEY}", environment) == "{{env}} {env:KEY}"


def test_a_variable_that_is_not_there_is_named() -> None:
    with pytest.raises(VariableMissing) as caught:
        filled("{{env:KEY}}", {})
    assert caught.value.args == ("KEY",)
