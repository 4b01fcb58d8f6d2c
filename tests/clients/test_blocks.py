"""What the READMEs of the clients tell people to paste is what `assent client NAME` prints."""

import json
import re
import shlex
import tomllib
from collections.abc import Callable
from typing import Any

import pytest

from server.connect import CLIENTS, Way
from tests.repository import ROOT

FOLDERS = {"gemini": "gemini_cli", **{name: name.replace("-", "_") for name in CLIENTS if name != "gemini"}}
BLOCK = re.compile(r"^```(?P<language>\w+) (?P<way>stdio|http)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def shell(text: str) -> list[Any]:
    *words, entry = shlex.split(text)
    return [*words, json.loads(entry)]


def python(text: str) -> str:
    """Without what a formatter may choose."""
    return re.sub(r"\s+", "", text)


READERS: dict[str, Callable[[str], Any]] = {"sh": shell, "json": json.loads, "toml": tomllib.loads, "python": python}


def ways(name: str) -> dict[str, Way]:
    stdio = Way(name, command=("/path/to/assent", "stdio", "--agent", name))
    http = Way(name, url="http://127.0.0.1:7420/mcp", token="TOKEN")
    return {"stdio": stdio, "http": http} if CLIENTS[name].by_http else {"stdio": stdio}


def blocks(name: str) -> dict[str, Any]:
    text = (ROOT / "client_examples" / FOLDERS[name] / "README.md").read_text("utf-8")
    return {found["way"]: (found["language"], found["text"]) for found in BLOCK.finditer(text)}


@pytest.mark.parametrize("name", [name for name in CLIENTS if name != "generic"])
def test_every_block_is_what_the_command_prints_for_that_client(name: str) -> None:
    found = blocks(name)

    assert found.keys() == ways(name).keys()
    for way, (language, text) in found.items():
        read = READERS[language]
        assert read(text) == read(CLIENTS[name].paste(ways(name)[way]).text)


def test_every_client_has_a_folder_that_the_overview_links_to() -> None:
    overview = (ROOT / "client_examples" / "README.md").read_text("utf-8")
    folders = {path.parent.name for path in (ROOT / "client_examples").glob("*/README.md")}

    assert set(re.findall(r"\]\((\w+)/README\.md\)", overview)) == folders
    assert {FOLDERS[name] for name in CLIENTS if name != "generic"} <= folders
