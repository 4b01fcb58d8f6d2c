"""Something is added to a policy file, or taken out again, and every other character stays."""

from typing import Any

import pytest

from store.policy.additions import CannotAdd, as_yaml, with_rules, with_upstreams, without
from store.policy.reading import PolicyMistake, read
from store.policy.rules import Action
from store.policy.upstreams import Upstream

FILES = Upstream("files", command="npx", args=("-y", "x: #y", "\u00e4\\"), env=(("A", "{{env:B}}"),), cwd="/srv")
WEB = Upstream("web", url="https://web.example/mcp", headers=(("Authorization", "Bearer {{env:T}}"),))

POLICIES = {
    "nothing yet": "version: 1\n",
    "no end of line": "version: 1",
    "an empty list of them": "version: 1\nupstreams: {}  # none\nrules: []\n",
    "comments": (
        "# top\nversion: 1\nupstreams:\n    a: {url: 'https://a.example/'} # c\n\n"
        "    # about rules\nrules:\n- name: x\n"
    ),
    "one line": "version: 1\nupstreams: {a: {url: 'https://a.example/'}}\n",
    "no end of the last": "version: 1\nupstreams:\n  a:\n    command: x\n    args:\n      - b",
    "ends as on Windows": "version: 1\r\nupstreams:\r\n  a:\r\n    command: x\r\n",
    "a block of text at the end": "version: 1\nupstreams:\n  a:\n    command: |-\n      x\n",
}


@pytest.mark.parametrize("text", POLICIES.values(), ids=POLICIES)
def test_upstreams_are_added_and_everything_else_stays(text: str) -> None:
    added = with_upstreams(text, [FILES, WEB])

    before, after = read(text), read(added.text)
    assert after.upstreams == (*before.upstreams, FILES, WEB)
    assert after.rules == before.rules
    assert added.text.count("#") == text.count("#") + 1, "one stands in what is added"


@pytest.mark.parametrize("text", POLICIES.values(), ids=POLICIES)
def test_what_was_added_is_taken_out_again(text: str) -> None:
    added = with_upstreams(text, [FILES, WEB])
    back = without(added.text, added.inserted, ["files", "web"])

    assert back is not None
    assert (back == text) or "none" in text
    assert back.count("#") == text.count("#")


def test_a_section_that_was_begun_is_filled() -> None:
    assert with_upstreams("version: 1\nupstreams: # soon\nrules: []\n", [WEB]).text == (
        'version: 1\nupstreams: # soon\n  web:\n    url: "https://web.example/mcp"\n    headers:\n'
        '      Authorization: "Bearer {{env:T}}"\nrules: []\n'
    )


def test_what_somebody_added_in_between_stays() -> None:
    first = with_upstreams("version: 1\n", [FILES])
    second = with_upstreams(first.text, [WEB])
    changed = f"# mine\n{second.text}rules:\n- name: x\n"
    back = without(changed, first.inserted, ["files"])

    assert back is not None
    assert read(back).upstreams == (WEB,)
    assert back.startswith("# mine\n")


def test_what_somebody_changed_is_not_taken_out() -> None:
    added = with_upstreams("version: 1\n", [FILES])
    assert without(added.text.replace("npx", "bunx"), added.inserted, ["files"]) is None


def test_rules_are_added_as_the_others_are_indented() -> None:
    rules: list[dict[str, Any]] = [
        {"name": "a", "tool": ["files__x", "files__y"], "action": "allow"},
        {"name": "b", "reason": "required"},
    ]
    text = "version: 1\nrules:\n- name: first\n  # about it\n  agent: x\n# the end\n"
    added = with_rules(text, rules)

    assert added.text == (
        "version: 1\nrules:\n- name: first\n  # about it\n  agent: x\n"
        '- name: "a"\n  tool: ["files__x", "files__y"]\n  action: "allow"\n'
        '- name: "b"\n  reason: "required"\n# the end\n'
    )
    assert [(rule.name, rule.action) for rule in read(added.text).rules] == [
        ("first", Action.HOLD),
        ("a", Action.ALLOW),
        ("b", Action.HOLD),
    ]


@pytest.mark.parametrize("text", ["{version: 1}\n", "version: 1\n...\n", "version: 1\nupstreams: x\n"])
def test_a_file_in_which_nothing_can_be_added_for_sure_is_refused_with_what_to_add(text: str) -> None:
    with pytest.raises(CannotAdd) as refused:
        with_upstreams(text, [WEB])
    assert "https://web.example/mcp" in refused.value.hint


def test_a_section_by_itself_is_yaml() -> None:
    written = as_yaml("rules", [{"name": "no: #1", "action": "deny"}])
    assert [rule.name for rule in read(f"version: 1\n{written}").rules] == ["no: #1"]


def test_values_of_every_kind_and_names_that_look_like_something_else_are_added() -> None:
    names = ["true", "a: b", "x #y", "-", "1", "\u00e4", '"', "{", "a.b"]
    values: list[Any] = [1, 0.5, 1e22, True, False, "1", {"eq": None}]
    tests = {**dict.fromkeys(names, "x"), **{f"v{index}": value for index, value in enumerate(values)}}
    added = with_rules("version: 1\nrules: []\n", [{"name": "a", "tool": "files__x", "args": tests}])

    (rule,) = read(added.text).rules
    assert {one.name: one.checks[0].value for one in rule.arguments} == {
        **dict.fromkeys(names, "x"),
        **{f"v{index}": None if isinstance(value, dict) else value for index, value in enumerate(values)},
    }


def test_no_name_of_an_argument_writes_anything_else_into_the_file() -> None:
    hostile = "x: 1\n    action: allow\n  - name: b\n    tool"
    with pytest.raises((CannotAdd, PolicyMistake)):
        read(with_rules("version: 1\n", [{"name": "a", "tool": "f__x", "args": {hostile: 1}, "action": "deny"}]).text)
