"""Clients that bring tools of their own and ask here whether these may run, under the names that rules match. Pure.

A tool `Bash` of Claude Code is governed as `claude_code:Bash`. No upstream can have the name of a client.
"""

from collections.abc import Mapping

CLIENTS: Mapping[str, str] = {
    "claude_code": "Claude Code",
    "codex": "Codex",
    "copilot": "Copilot",
    "cursor": "Cursor",
    "gemini_cli": "Gemini CLI",
}
"""What people call each, by its name in rules."""
LONGEST_TOOL = 200


def own_tool(client: str, tool: str) -> str:
    """The name by which rules match this tool of that client's."""
    return f"{client}:{tool}"


def is_client(name: str) -> bool:
    """Whether this is the name of a client, and of no upstream."""
    return name in CLIENTS


def is_own_tool(governed_as: str) -> bool:
    """Whether rules know a tool of a client's own by this name: the name before its first colon says so."""
    client, colon, tool = governed_as.partition(":")
    return bool(colon and tool) and is_client(client)


def own_tool_fault(client: str, tool: str) -> str | None:
    """What keeps a tool from being known by this name, as a sentence for the agent; None where nothing does."""
    if not is_client(client):
        return f"There is no client of that name; known are {', '.join(CLIENTS)}."
    if not 0 < len(tool) <= LONGEST_TOOL or not tool.isprintable():
        # Whatever can be called can be named in a rule, where characters that nobody sees are refused as well.
        return f"The name of a tool of {CLIENTS[client]}'s is 1 to {LONGEST_TOOL} characters in one line."
    return None
