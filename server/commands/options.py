"""What every command takes, and how every command answers."""

import json
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from server.config import Settings, load
from server.home import default_home


@Parameter(name="*")
@dataclass(frozen=True)
class Shared:
    """The flags of every command."""

    home: Annotated[Path | None, Parameter(help="Folder that holds everything of one server.")] = None
    json: Annotated[bool, Parameter(help="Answer in JSON, for scripts.", negative=())] = False

    def settings(self, **flags: object) -> Settings:
        return load({"home": self.home, **flags}, os.environ)

    @property
    def of_home(self) -> str:
        """What a command that is printed for pasting needs, so that it means the same home."""
        home = self.settings().home.path
        return "" if home == default_home() else f" --home {shlex.quote(str(home))}"

    def answer(self, data: Mapping[str, object] | list[dict[str, object]], text: str) -> None:
        """Print the answer on stdout: for people, or with --json for programs."""
        print(json.dumps(data, ensure_ascii=False) if self.json else text, flush=True)


NO_FLAGS = Shared()
