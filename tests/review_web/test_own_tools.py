"""How tools of a client's own are shown; and that what is not known is left to the table of arguments."""

from typing import Any

import pytest

from review_web.changed_text import ChangedLine
from review_web.own_tools import (
    Address,
    Change,
    Command,
    FileChange,
    OwnView,
    Patch,
    SearchTerms,
    is_code,
    own_view,
)


def test_a_command_stands_line_by_line_and_what_the_agent_says_of_it_apart() -> None:
    arguments = {"command": "cd a\nmake", "description": "Build", "timeout": 5_000}
    assert own_view("Bash", arguments) == OwnView(
        Command(("cd a", "make"), "2 lines", None), frozenset({"command", "description"}), "Build"
    )


def test_only_a_line_feed_ends_a_line_of_a_command() -> None:
    view = own_view("Bash", {"command": "echo a\r\u2028rm b\x0c"})
    assert view == OwnView(Command(("echo a\r\u2028rm b\x0c",), "", None), frozenset({"command"}))


@pytest.mark.parametrize(("value", "said"), [(True, "It is to run outside of its client's sandbox."), ("true", None)])
def test_a_command_outside_of_the_sandbox_is_named(value: Any, said: str | None) -> None:
    view = own_view("Bash", {"command": "ls", "dangerouslyDisableSandbox": value})
    assert view == OwnView(Command(("ls",), "", said), frozenset({"command"}))


def test_an_edit_is_a_diff_of_its_two_texts() -> None:
    arguments = {"file_path": "/a.py", "old_string": "x = 1", "new_string": "x = 2", "replace_all": False}
    lines = (ChangedLine("before", "x = 1"), ChangedLine("now", "x = 2"))
    assert own_view("Edit", arguments) == OwnView(
        FileChange("/a.py", (Change(lines, "Replaces this where it stands in the file:"),)), frozenset(arguments)
    )


def test_a_replacement_everywhere_says_so() -> None:
    edit = {"old_string": "a", "new_string": "b", "replace_all": True}
    view = own_view("Edit", {"file_path": "/a.py", **edit})
    assert view is not None
    assert isinstance(view.view, FileChange)
    assert view.view.changes[0].says == "Replaces this everywhere in the file:"


def test_several_edits_stand_in_their_order() -> None:
    edits = [{"old_string": "a", "new_string": "b"}, {"old_string": "", "new_string": "c", "replace_all": True}]
    assert own_view("MultiEdit", {"file_path": "/a", "edits": edits}) == OwnView(
        FileChange(
            "/a",
            (
                Change(
                    (ChangedLine("before", "a"), ChangedLine("now", "b")), "Replaces this where it stands in the file:"
                ),
                Change((ChangedLine("now", "c"),), "Writes this:"),
            ),
        ),
        frozenset({"file_path", "edits"}),
    )


def test_a_patch_stands_line_by_line_with_what_goes_and_what_comes() -> None:
    patch = "*** Update File: a.py\n@@\n x\n-y\n+z\n"
    lines = (
        *(ChangedLine("same", text) for text in ("*** Update File: a.py", "@@", " x")),
        ChangedLine("before", "y"),
        ChangedLine("now", "z"),
        ChangedLine("same", ""),
    )
    assert own_view("apply_patch", {"command": patch, "cwd": "/"}) == OwnView(Patch(lines), frozenset({"command"}))
    assert own_view("apply_patch", {"command": ["*** Begin Patch"]}) is None


def test_a_file_that_is_written_anew_is_all_added() -> None:
    assert own_view("Write", {"file_path": "/a", "content": "x\ny\n"}) == OwnView(
        FileChange(
            "/a", (Change((ChangedLine("now", "x"), ChangedLine("now", "y")), "Writes all of the file anew, 2 lines:"),)
        ),
        frozenset({"file_path", "content"}),
    )


def test_a_cell_of_a_notebook_is_shown_and_a_deletion_is_left_to_the_table() -> None:
    cell = {"notebook_path": "/a.ipynb", "new_source": "x", "cell_id": "c1"}
    assert own_view("NotebookEdit", {**cell, "edit_mode": "insert"}) == OwnView(
        FileChange("/a.ipynb", (Change((ChangedLine("now", "x"),), "Puts a new cell in, 1 line:"),)),
        frozenset({"notebook_path", "new_source"}),
    )
    assert own_view("NotebookEdit", {**cell, "edit_mode": "delete"}) is None


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("https://docs.python.org/3/?q=a#b", "docs.python.org"),
        ("http://Example.COM:8080", "example.com:8080"),
        ("https://[::1]/x", "[::1]"),
        ("https://docs.python.org@files.example/3", None),
        ("https://files.example\\@docs.python.org/", None),
        ("https://files.example%2f@docs.python.org/", None),
        ("https://docs.python.org\t.files.example/", None),
        ("https://d\u043ecs.python.org/", None),
        ("https://docs.python.org/\u202e", None),
        ("docs.python.org", None),
        ("file:///etc/passwd", None),
        ("https:///docs.python.org", None),
    ],
)
def test_a_host_is_named_only_where_every_reader_of_the_address_finds_the_same(address: str, host: str | None) -> None:
    assert own_view("WebFetch", {"url": address}) == OwnView(Address(host, address), frozenset({"url"}))


def test_a_search_shows_its_words() -> None:
    arguments = {"query": "left-pad", "allowed_domains": ["example.org"]}
    assert own_view("WebSearch", arguments) == OwnView(SearchTerms("left-pad"), frozenset({"query"}))


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("Bash", {}),
        ("Bash", {"command": ["ls", "-la"]}),
        ("Bash", {"command": " \n "}),
        ("Bash", {"Command": "ls"}),
        ("Edit", {"file_path": "/a", "old_string": "a"}),
        ("Edit", {"file_path": "/a", "old_string": "a", "new_string": None}),
        ("Edit", {"file_path": 1, "old_string": "a", "new_string": "b"}),
        ("Edit", {"file_path": "/a", "old_string": "a", "new_string": "b", "replace_all": "yes"}),
        ("MultiEdit", {"file_path": "/a", "edits": []}),
        ("MultiEdit", {"file_path": "/a", "edits": ["a"]}),
        ("MultiEdit", {"file_path": "/a", "edits": [{"old_string": "a", "new_string": "b", "then": "c"}]}),
        ("MultiEdit", {"file_path": "/a", "edits": {"old_string": "a", "new_string": "b"}}),
        ("Write", {"file_path": "/a", "content": {"x": 1}}),
        ("Write", {"content": "x"}),
        ("WebFetch", {"url": ["https://a.example"]}),
        ("WebSearch", {"query": ""}),
        ("Task", {"prompt": "ls", "command": "ls"}),
        ("mcp__files__write", {"file_path": "/a", "content": "x"}),
        ("", {"command": "ls"}),
    ],
)
def test_what_is_not_of_a_documented_shape_is_left_to_the_table_of_arguments(
    tool: str, arguments: dict[str, Any]
) -> None:
    assert own_view(tool, arguments) is None


@pytest.mark.parametrize(
    ("tool", "shown"),
    [
        ("Bash", {"command": "ls", "description": "d"}),
        ("Edit", {"file_path": "/a", "old_string": "a", "new_string": "b", "replace_all": True}),
        ("Write", {"file_path": "/a", "content": "x"}),
        ("WebFetch", {"url": "https://a.example"}),
    ],
)
def test_an_argument_that_a_view_does_not_show_is_not_covered_by_it(tool: str, shown: dict[str, Any]) -> None:
    view = own_view(tool, {**shown, "further": "x", "": "y", "c\u043emmand": "z"})
    assert view is not None
    assert view.covers == shown.keys()


def test_code_is_typed_as_code_and_words_are_not() -> None:
    assert is_code("Bash", "command")
    assert not is_code("Bash", "description")
    assert not is_code("Ask", "command")
