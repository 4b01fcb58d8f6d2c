"""What the documents name is there: files, links, commands."""

import re

import pytest

from server.cli import COMMANDS
from store.lifecycle import diagram
from tests.repository import ROOT, tracked_files

DOCUMENTS = [name for name in tracked_files() if name.endswith(".md") and not name.startswith("docs/decisions/")]
LINK = re.compile(r"\]\((?!https?://|mailto:|#)([^)#\s]+)(?:#[^)]*)?\)")
CODE = re.compile(r"`([^`\n]+)`")
TARGET = re.compile(r"\bmake ([a-z]+)\b")


def test_the_documents_that_a_newcomer_looks_for_are_there() -> None:
    assert {"README.md", "ARCHITECTURE.md", "CHANGELOG.md", "LICENSE"} <= set(tracked_files())


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_of_a_document_to_another_file_leads_somewhere(document: str) -> None:
    folder = (ROOT / document).parent
    targets = LINK.findall((ROOT / document).read_text("utf-8"))

    assert [target for target in targets if not (folder / target).exists()] == []


def test_every_file_that_the_architecture_names_exists() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    paths = [code for code in CODE.findall(text) if re.fullmatch(r"[\w.-]+(/[\w.*-]+)*(/|\.(py|md|toml|lock))", code)]

    assert paths != []
    assert [path for path in paths if not list(ROOT.glob(path.rstrip("/")))] == []


def test_every_make_target_that_a_document_names_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {
        target
        for document in DOCUMENTS
        for code in [*CODE.findall((ROOT / document).read_text("utf-8")), *fenced(document)]
        for target in TARGET.findall(code)
    }

    assert named - targets == set()


def fenced(document: str) -> list[str]:
    """The lines of a document's code blocks."""
    blocks = re.findall(r"^```[^\n]*\n(.*?)^```", (ROOT / document).read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def test_the_states_in_the_readme_are_those_of_the_code() -> None:
    assert f"```mermaid\n{diagram()}\n```" in (ROOT / "README.md").read_text("utf-8")


def test_every_command_of_the_readme_exists() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    lines = [*fenced("README.md"), *CODE.findall(text)]
    named = {match for line in lines for match in re.findall(r"(?:^|bin/)assent ([a-z]+)", line)}

    assert named != set()
    assert named - set(COMMANDS) == set()
