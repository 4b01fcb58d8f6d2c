"""Rules drafted for the tools that a client brings itself, for a person to read and accept. Pure.

The draft names the tools that the client's documentation names, each by its name: what comes later, and what other
servers the client has, is held until somebody writes a rule for it.
"""

from collections.abc import Collection, Mapping

from store.policy.clients import CLIENTS, own_tool
from store.policy.rules import Action
from store.policy.suggestion import Suggestion, free_name

CLAUDE_CODE = "claude_code"
_READS = ("Glob", "Grep", "LSP", "ListMcpResourcesTool", "Read")
_STAYS_IN = (
    # What a sub-agent does is asked about call by call, like what the agent does itself.
    *("Agent", "AskUserQuestion", "EnterPlanMode", "Task", "TaskCreate", "TaskGet", "TaskList", "TaskOutput"),
    *("TaskStop", "TaskUpdate", "TodoWrite", "ToolSearch"),
)
_ASSENT = ("mcp__assent__*",)
_CHANGES = ("Bash", "Edit", "Monitor", "MultiEdit", "NotebookEdit", "PowerShell", "Write")
_REACHES = ("Artifact", "ReadMcpResourceTool", "WebFetch", "WebSearch")
_LEADS_ON = ("CronCreate", "EnterWorktree", "ExitPlanMode", "SendMessage", "Skill")
_DRAFTS: Mapping[str, tuple[tuple[str, tuple[str, ...], Action], ...]] = {
    CLAUDE_CODE: (
        ("only reads", _READS, Action.ALLOW),
        ("keeps to itself", _STAYS_IN, Action.ALLOW),
        ("is of Assent, and governed when it arrives", _ASSENT, Action.ALLOW),
        ("runs commands and changes files", _CHANGES, Action.HOLD),
        ("reaches other places", _REACHES, Action.HOLD),
        ("leads to more", _LEADS_ON, Action.HOLD),
    )
}
_NOTES: Mapping[str, tuple[str, ...]] = {
    CLAUDE_CODE: (
        "Read reaches every file that its account may read, keys among them: narrow it with args on file_path, or say "
        "so in the permissions of Claude Code itself",
        "mcp__assent__* are all tools of a server that Claude Code knows as assent: that there is no other of such a "
        "name, only managed settings can promise",
        "what stands here with hold would be held anyway; other tools, and those of other servers, are held as well",
    )
}


def has_draft(client: str) -> bool:
    """Whether rules are drafted for this client's tools."""
    return client in _DRAFTS


def own_suggestion(client: str, taken_names: Collection[str] = ()) -> Suggestion:
    """Rules for the tools of a client that `has_draft`; `taken_names` are rules that there are already."""
    names: list[str] = list(taken_names)
    rules = []
    for says, tools, action in _DRAFTS[client]:
        name = free_name(f"{CLIENTS[client]} {says}", names)
        names.append(name)
        rules.append({"name": name, "tool": [own_tool(client, tool) for tool in sorted(tools)], "action": action.value})
    return Suggestion(tuple(rules), _NOTES[client])
