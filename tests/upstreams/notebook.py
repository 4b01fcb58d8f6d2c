"""What a test and an upstream in another process know of each other: files of one folder, read and written by both."""

import json
import os
from pathlib import Path
from typing import Any

import anyio

PATIENCE = 30.0
_INTERVAL = 0.005

Entry = dict[str, Any]


class Notebook:
    """What an upstream did, in order; gates that a test opens for calls that wait; and what the upstream defines.

    Without a folder nothing is kept, and no call can wait.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def write(self, event: str, **fields: Any) -> None:
        """Keep one line, whole even where several processes write."""
        if self.folder is None:
            return
        line = json.dumps({"event": event, **fields}) + "\n"
        descriptor = os.open(self.folder / "journal.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)

    def entries(self, event: str | None = None, **fields: Any) -> list[Entry]:
        """The lines kept so far of this event, with these fields among theirs."""
        if self.folder is None or not (path := self.folder / "journal.jsonl").exists():
            return []
        # What is being written at this moment may be half a line.
        whole = path.read_bytes().rpartition(b"\n")[0].splitlines()
        found: list[Entry] = [json.loads(line) for line in whole]
        wanted = fields if event is None else {"event": event, **fields}
        return [entry for entry in found if wanted.items() <= entry.items()]

    async def seen(self, event: str, *, times: int = 1, **fields: Any) -> list[Entry]:
        """Return once so many such lines are kept."""
        with anyio.fail_after(PATIENCE):
            while len(found := self.entries(event, **fields)) < times:
                await _next_look()
            return found

    def open(self, gate: str) -> None:
        """Let every call go on that waits at this gate, now and later."""
        assert self.folder is not None
        (self.folder / f"{gate}.open").touch()

    async def opened(self, gate: str) -> None:
        """Return once the gate is open."""
        assert self.folder is not None
        while not (self.folder / f"{gate}.open").exists():
            await _next_look()

    def define(self, tool: str, **changes: Any) -> None:
        """Change fields of a tool's definition, or add a tool that echoes; seen from the next listing on."""
        self._keep_definitions({**self.definitions(), tool: {**self.definitions().get(tool, {}), **changes}})

    def remove(self, tool: str) -> None:
        """List this tool no more."""
        self._keep_definitions({**self.definitions(), tool: None})

    def definitions(self) -> dict[str, Any]:
        """The changes by tool; None where one is gone."""
        if self.folder is None or not (path := self.folder / "definitions.json").exists():
            return {}
        found: dict[str, Any] = json.loads(path.read_bytes())
        return found

    def _keep_definitions(self, definitions: dict[str, Any]) -> None:
        assert self.folder is not None
        unfinished = self.folder / "definitions.json.new"
        unfinished.write_text(json.dumps(definitions), encoding="utf-8")
        unfinished.replace(self.folder / "definitions.json")


async def _next_look() -> None:
    """A file of another process says nothing when it changes."""
    await anyio.sleep(_INTERVAL)
