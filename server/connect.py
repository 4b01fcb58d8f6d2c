"""What to paste into each client, and the setting that makes it wait for a person. Pure: settings in, texts out.

A client that gives up early is not lost: the call is answered `pending`, and asking again re-attaches.
"""

import json
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from server.home import Home, default_home
from server.process import ENTRY

DAY_SECONDS = 86_400
DAY_MILLISECONDS = DAY_SECONDS * 1_000


@dataclass(frozen=True)
class Way:
    """How a client reaches the server: by starting the bridge, or by HTTP; `token` is the agent's."""

    agent: str
    command: tuple[str, ...] = ()
    url: str = ""
    token: str = field(default="", repr=False)

    @property
    def by_http(self) -> bool:
        return bool(self.url)

    def entry(self, *, url_key: str = "url", **more: object) -> dict[str, object]:
        """The client's description of one server, as most clients write it."""
        if self.by_http:
            return {url_key: self.url, "headers": {"Authorization": f"Bearer {self.token}"}, **more}
        # Without a token the bridge opens the server with the home's own secret.
        env = {"env": {"ASSENT_TOKEN": self.token}} if self.token else {}
        return {"command": self.command[0], "args": list(self.command[1:]), **env, **more}


@dataclass(frozen=True)
class Paste:
    """`text` goes to `where`; `waiting` is how this client is made to wait, or what happens because it cannot."""

    where: str
    text: str
    waiting: str


@dataclass(frozen=True)
class Client:
    name: str
    title: str
    paste: Callable[[Way], Paste]
    by_http: bool = True
    entry: Callable[[Way], dict[str, object]] = Way.entry
    """What its configuration file holds for a server that it starts."""

    @property
    def agent(self) -> str:
        """The name under which reviewers see it, unless another is given."""
        return "local" if self.name == "generic" else self.name


def bridge_command(home: Home, agent: str) -> tuple[str, ...]:
    """The absolute command that starts the bridge, whatever the client's working directory and PATH."""
    of_home = () if home.path == default_home() else ("--home", str(home.path))
    return (*assent_command(), "stdio", "--agent", agent, *of_home)


def hook_command(home: Home, client: str, agent: str, *, url: str | None) -> tuple[str, ...]:
    """The absolute command that is a client's hook, at this home's server or at the one of `url`."""
    where = ("--url", url) if url is not None else () if home.path == default_home() else ("--home", str(home.path))
    return (*assent_command(), "hook", client, "--agent", agent, *where)


def assent_command() -> tuple[str, ...]:
    """The absolute command that starts this very installation, which is seldom on PATH."""
    script = Path(sys.executable).with_name("assent")
    return (str(script),) if script.is_file() else (sys.executable, "-P", str(ENTRY))


def _claude_code_entry(way: Way) -> dict[str, object]:
    return {"type": "http" if way.by_http else "stdio", **way.entry(timeout=DAY_MILLISECONDS)}


def _claude_code(way: Way) -> Paste:
    return Paste(
        "a shell",
        f"claude mcp add-json --scope user assent {shlex.quote(json.dumps(_claude_code_entry(way)))}",
        'The "timeout" lets a call wait a day. Interactive sessions move a call to the background after two minutes, '
        "and the agent goes on working meanwhile; for a real gate start it with CLAUDE_CODE_MCP_AUTO_BACKGROUND_MS=0.",
    )


def _claude_desktop(way: Way) -> Paste:
    return Paste(
        "claude_desktop_config.json (Settings, Developer, Edit Config)",
        _block("mcpServers", way.entry()),
        "It gives up on a call after some minutes at most, and no setting changes that: the agent is told before then "
        "that the question is still open, and collects the answer by asking again.",
    )


def _codex_entry(way: Way) -> dict[str, object]:
    entry = way.entry(tool_timeout_sec=DAY_SECONDS)
    # Codex calls them otherwise.
    return {"http_headers" if key == "headers" else key: value for key, value in entry.items()}


def _codex(way: Way) -> Paste:
    if way.by_http:
        reach = f'url = {json.dumps(way.url)}\nbearer_token_env_var = "ASSENT_TOKEN"'
        before = f"# and in the environment of codex: ASSENT_TOKEN={way.token}\n"
    else:
        reach = f"command = {json.dumps(way.command[0])}\nargs = {json.dumps(list(way.command[1:]))}"
        if way.token:
            reach += f'\nenv = {{ASSENT_TOKEN = "{way.token}"}}'
        before = ""
    return Paste(
        "~/.codex/config.toml",
        f"{before}[mcp_servers.assent]\n{reach}\ntool_timeout_sec = {DAY_SECONDS}",
        "tool_timeout_sec lets a call wait a day; without it Codex gives up after 300 seconds.",
    )


def _vscode_entry(way: Way) -> dict[str, object]:
    return {"type": "http" if way.by_http else "stdio", **way.entry()}


def _vscode(way: Way) -> Paste:
    return Paste(
        ".vscode/mcp.json, or MCP: Open User Configuration",
        _block("servers", _vscode_entry(way)),
        "It has no setting for this. Older versions cancelled a call after five minutes; the agent then asks again and "
        "finds the same question open.",
    )


def _cursor(way: Way) -> Paste:
    return Paste(
        "~/.cursor/mcp.json",
        _block("mcpServers", way.entry()),
        "How long it waits is not known: the agent is told after 45 seconds that the question is still open, and "
        "collects the answer by asking again.",
    )


def _gemini_entry(way: Way) -> dict[str, object]:
    return way.entry(url_key="httpUrl", timeout=DAY_MILLISECONDS)


def _gemini(way: Way) -> Paste:
    return Paste(
        "~/.gemini/settings.json",
        _block("mcpServers", _gemini_entry(way)),
        "timeout lets a call wait a day; without it Gemini CLI gives up after ten minutes.",
    )


def _openai_agents(way: Way) -> Paste:
    if way.by_http:
        made = f"MCPServerStreamableHttp(\n    params={json.dumps(way.entry())},"
    else:
        made = f"MCPServerStdio(\n    params={json.dumps(way.entry())},"
    return Paste(
        "the program (from agents.mcp import MCPServerStdio, MCPServerStreamableHttp)",
        f"{made}\n    client_session_timeout_seconds=None,\n)",
        "client_session_timeout_seconds=None lets a call wait as long as it takes; without it calls die after 5 s.",
    )


def _generic(way: Way) -> Paste:
    entry = {"type": "http", **way.entry()} if way.by_http else way.entry()
    return Paste(
        "the client's configuration",
        _block("mcpServers", entry),
        "If it has a time limit for tool calls, raise it to a day. If it has none, the agent is told after 45 seconds "
        "that the question is still open, and collects the answer by asking again.",
    )


def _block(key: str, entry: dict[str, object]) -> str:
    return json.dumps({key: {"assent": entry}}, indent=2)


CLIENTS = {
    client.name: client
    for client in (
        Client("claude-code", "Claude Code", _claude_code, entry=_claude_code_entry),
        Client("claude-desktop", "Claude Desktop", _claude_desktop, by_http=False),
        Client("codex", "Codex CLI", _codex, entry=_codex_entry),
        Client("vscode", "VS Code", _vscode, entry=_vscode_entry),
        Client("cursor", "Cursor", _cursor),
        Client("gemini", "Gemini CLI", _gemini, entry=_gemini_entry),
        Client("openai-agents", "OpenAI Agents SDK", _openai_agents),
        Client("generic", "any other client", _generic),
    )
}
