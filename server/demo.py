"""`make demo`: a server in a temporary home, and an agent that asks you all four kinds of question.

Nothing is left behind: Ctrl-C, or the last answer, ends the server and removes the home.
"""

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
from mcp import Client, StdioServerParameters

from server.commands.records import opened
from server.config import Settings, load
from server.home import Home
from server.process import ENTRY, Running, find_or_start, stop
from server.setup_link import setup_url
from store.problems import Problem

QUESTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "ask_approval",
        {
            "title": "Delete 1,204 customers who have not signed in since 2019?",
            "description": "They are in **customers_old**. There is no backup newer than last month.",
            "context": "I was asked to clean up the database. These rows are a third of it.",
            "risk": "high",
            "evidence": [{"label": "Count", "text": "select count(*) … → 1204"}],
        },
    ),
    (
        "ask_selection",
        {
            "prompt": "Which of these should I tell about the maintenance tonight?",
            "options": [
                {"id": "customers", "label": "All customers", "description": "By mail, 38,000 people"},
                {"id": "staff", "label": "Staff", "description": "In the team's channel"},
                {"id": "partners", "label": "Partners", "description": "By mail, 12 people"},
            ],
            "mode": "multiple",
            "min": 1,
        },
    ),
    (
        "ask_form",
        {
            "title": "Where shall I copy the backup to?",
            "fields": [
                {"name": "host", "type": "text", "label": "Host", "required": True, "default": "backup.example.org"},
                {
                    "name": "keep_days",
                    "type": "integer",
                    "label": "Days to keep it",
                    "min": 1,
                    "max": 365,
                    "default": 30,
                },
                {"name": "password", "type": "password", "label": "Password of the backup account", "required": True},
            ],
        },
    ),
    (
        "ask_text_input",
        {
            "title": "Is this answer to the customer right?",
            "prefill": "Dear Ms Li,\n\nwe have refunded the second payment. It arrives within three days.\n",
            "format": "markdown",
        },
    ),
)


def main() -> None:
    """Run the demo to its end. Exits 0, also after Ctrl-C."""
    try:
        with (
            tempfile.TemporaryDirectory(prefix="assent-demo-") as folder,
            server_in(Path(folder)) as (settings, running),
        ):
            print(f"\nAssent runs at {running.url}, for this demo only. Open this, and make the first account:\n")
            print(f"  {first_page(settings, running)}\n")
            anyio.run(ask_everything, settings)
            print("That was all. Ctrl-C was always safe: nothing is left behind.")
    except KeyboardInterrupt:
        print("\nended, and everything was removed")
    except Problem as problem:
        print(f"error: {problem.message}\nhint: {problem.hint}", file=sys.stderr)
        sys.exit(1)


@contextmanager
def server_in(folder: Path) -> Iterator[tuple[Settings, Running]]:
    """A server on a free port, detached as the bridge starts it, and stopped at the end."""
    home = Home(folder / "home")
    home.create()
    home.config_file.write_text("port = 0\n", encoding="utf-8")
    try:
        yield load({"home": home.path}, {}), find_or_start(home)
    finally:
        stop(home)


def first_page(settings: Settings, running: Running) -> str:
    """The setup link: the demo prints it to whoever started the demo."""
    with opened(settings) as records:
        return anyio.run(setup_url, records.people, running.url) or running.url


async def ask_everything(settings: Settings) -> None:
    """Ask each question in turn and print what came back, the way an agent sees it."""
    arguments = ["-P", str(ENTRY), "stdio", "--agent", "assent-demo", "--home", str(settings.home.path)]
    bridge = StdioServerParameters(command=sys.executable, args=arguments, env=dict(os.environ))
    async with Client(bridge) as client:
        for number, (tool, question) in enumerate(QUESTIONS, start=1):
            print(f"{number} of {len(QUESTIONS)}: the agent calls {tool}, and waits for you …", flush=True)
            print(told(await answered(client, tool, question)), flush=True)


async def answered(client: Client, tool: str, question: Mapping[str, Any]) -> Mapping[str, Any]:
    """The answer, however often the wait is cut into slices."""
    result = (await client.call_tool(tool, dict(question))).structured_content
    while isinstance(result, dict) and result["status"] == "pending":
        result = (await client.call_tool("await_review", {"request_id": result["request_id"]})).structured_content
    return result if isinstance(result, dict) else {"status": "failed"}


def told(result: Mapping[str, Any]) -> str:
    """What an agent reads, less what is the same each time."""
    quiet = {"request_id", "review_url", "waited_seconds", "audit", "decided_at"}
    rows = [(name, value) for name, value in result.items() if name not in quiet and value not in (None, {}, [])]
    return "".join(f"    {name:12} {value}\n" for name, value in rows)


if __name__ == "__main__":
    main()
