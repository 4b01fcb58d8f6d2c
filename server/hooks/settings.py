"""What to put into each client's settings so that its tools ask here. Pure: where the server is in, texts out.

Settings that the agent can write are a guardrail. Where a client has settings that only an administrator writes, these
are printed for that place, with what keeps others from turning them off.
"""

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from server.hooks.refusals import EXIT_REFUSED, spoken

DAY_SECONDS = 86_400
DEFER_SECONDS = 60
TOKEN = "ASSENT_TOKEN"
UNREACHED = "Assent could not be asked, so this did not run."
REACH = (
    "What a person approves is the command or the change as it stands on the card. What it reaches - scripts, files, "
    "addresses - may change between the approval and the run."
)
_HELD = "Without rules for them all its tools are held, those of MCP servers and Assent's own among them"
SUGGESTED = f"{_HELD}: assent policy suggest claude_code drafts some."
RULES = f"{_HELD}: write some for the tools named {{client}}:*."


@dataclass(frozen=True)
class HookWay:
    """How a client's hooks reach the server. `base` is its address; `command` starts `assent hook` for this client."""

    base: str
    command: tuple[str, ...]
    token: str | None = field(default=None, repr=False)
    """The agent's; None where the home's own secret opens the server."""
    is_unattended: bool = False


@dataclass(frozen=True)
class HookPaste:
    """`text` goes to `where`. `enforced` says what makes it more than a guardrail."""

    where: str
    text: str
    environment: str | None
    """What has to be in the client's environment: one line for a shell."""
    enforced: str
    notes: tuple[str, ...]

    def in_words(self, title: str) -> str:
        parts = [f"{title}. Put this into {self.where}:\n\n{self.text}"]
        if self.environment is not None:
            parts.append(f"Set in its environment:\n\n{self.environment}")
        return "\n\n".join([*parts, self.enforced, *self.notes])


def claude_code(way: HookWay) -> HookPaste:
    query = f"?defer={DEFER_SECONDS}" if way.is_unattended else ""
    hook = {
        "type": "http",
        "url": f"{way.base}/hooks/claude-code{query}",
        "timeout": DAY_SECONDS,
        "onFailure": "block",
        "headers": {"Authorization": f"Bearer ${TOKEN}"},
        "allowedEnvVars": [TOKEN],
    }
    settings = {"allowManagedHooksOnly": True, "hooks": {"PreToolUse": [{"matcher": "*", "hooks": [hook]}]}}
    deferring = (
        f"Unattended: after {DEFER_SECONDS} seconds without an answer `claude -p` ends, and the question stays open. "
        "Once it is answered, go on with: claude -p --resume SESSION_ID (without a prompt). Sub-agents cannot be "
        "resumed and wait instead.",
    )
    return HookPaste(
        "/etc/claude-code/managed-settings.json (macOS: /Library/Application Support/ClaudeCode/managed-settings.json, "
        "Windows: C:\\Program Files\\ClaudeCode\\managed-settings.json)",
        json.dumps(settings, indent=2),
        f"export {TOKEN}={way.token}",
        "Enforcement needs these managed settings, which the agent cannot write, and a user that is no "
        "administrator. In ~/.claude/settings.json the same hooks are a guardrail only (leave allowManagedHooksOnly "
        "out there): a file in the project or a flag such as --bare turns them off. Claude Code 2.1.295 or newer is "
        "needed: older ones do not know onFailure, and run the tool when the server is away.",
        (*(deferring if way.is_unattended else ()), REACH, SUGGESTED),
    )


def codex(way: HookWay) -> HookPaste:
    text = (
        # Without the feature pinned, `codex --disable hooks` goes without managed hooks too.
        "allow_managed_hooks_only = true\n\n[features]\nhooks = true\n\n"
        "[[hooks.PreToolUse]]\n[[hooks.PreToolUse.hooks]]\n"
        f'type = "command"\ncommand = {json.dumps(_command(way, "codex"))}\ntimeout = {DAY_SECONDS}'
    )
    return HookPaste(
        "/etc/codex/requirements.toml",
        text,
        None,
        "Enforcement needs this file, which the agent cannot write. In ~/.codex/config.toml the same hook is a "
        "guardrail only (leave allow_managed_hooks_only out there, and trust the hook with /hooks).",
        (
            "What Assent lets run goes on to Codex's own approval policy. Codex lets a tool run when its hook takes "
            "longer than the timeout; assent hook refuses before that. It sees Bash, apply_patch and tools of MCP "
            "servers, and not what runs without a tool call.",
            "Codex asks about a command when it starts, and never about what is typed into it afterwards: a shell or "
            "another interactive program, once approved, runs whatever the model types. Of a command only its text is "
            "asked about, not the folder that it runs in.",
            REACH,
            RULES.format(client="codex"),
        ),
    )


def gemini(way: HookWay) -> HookPaste:
    hook = {"type": "command", "name": "assent", "command": _command(way, "gemini"), "timeout": DAY_SECONDS * 1_000}
    settings = {"hooks": {"BeforeTool": [{"matcher": "*", "hooks": [hook]}]}}
    return HookPaste(
        "/etc/gemini-cli/settings.json (macOS: /Library/Application Support/GeminiCli/settings.json, "
        "Windows: C:\\ProgramData\\gemini-cli\\settings.json)",
        json.dumps(settings, indent=2),
        None,
        "Enforcement needs these system settings, which the agent cannot write and which override others. In "
        "~/.gemini/settings.json the same hook is a guardrail only, and who sets GEMINI_CLI_SYSTEM_SETTINGS_PATH for "
        "it reads others.",
        (
            "Gemini CLI lets a tool run when its hook takes longer than the timeout; assent hook refuses before "
            "that. A change of a reviewer's that takes a field away cannot be passed on, and is refused.",
            REACH,
            RULES.format(client="gemini_cli"),
        ),
    )


def cursor(way: HookWay) -> HookPaste:
    hook = {"command": _command(way, "cursor"), "timeout": DAY_SECONDS, "failClosed": True}
    return HookPaste(
        "/etc/cursor/hooks.json (macOS: /Library/Application Support/Cursor/hooks.json, "
        "Windows: C:\\ProgramData\\Cursor\\hooks.json)",
        json.dumps({"version": 1, "hooks": {"preToolUse": [hook]}}, indent=2),
        None,
        "Enforcement needs this file, which the agent cannot write. In ~/.cursor/hooks.json the same hook is a "
        "guardrail only.",
        (
            "A change of a reviewer's that takes a field away cannot be passed on, and is refused.",
            REACH,
            RULES.format(client="cursor"),
        ),
    )


def copilot(way: HookWay) -> HookPaste:
    hook = {"type": "command", "bash": _command(way, "copilot"), "timeoutSec": DAY_SECONDS}
    return HookPaste(
        ".github/hooks/assent.json of the repository",
        json.dumps({"version": 1, "hooks": {"preToolUse": [hook]}}, indent=2),
        None,
        "This is a guardrail only: the agent can write this file, and Copilot CLI lets a tool run when its hook "
        "fails or takes longer than the timeout.",
        (REACH, RULES.format(client="copilot")),
    )


def _command(way: HookWay, client: str) -> str:
    """For a shell. Where the program itself is missing or dies, that is a refusal too."""
    environment = () if way.token is None else ("env", f"{TOKEN}={way.token}")
    answer = spoken(client, UNREACHED)
    otherwise = f"exit {EXIT_REFUSED}" if answer is None else f"echo {shlex.quote(json.dumps(dict(answer)))}"
    return f"{shlex.join((*environment, *way.command))} || {otherwise}"


HOOKS: Mapping[str, Callable[[HookWay], HookPaste]] = MappingProxyType(
    {"claude-code": claude_code, "codex": codex, "copilot": copilot, "cursor": cursor, "gemini": gemini}
)
"""By the client's name on the command line."""


def as_json(paste: HookPaste) -> dict[str, Any]:
    return {
        "where": paste.where,
        "text": paste.text,
        "environment": paste.environment,
        "enforced": paste.enforced,
        "notes": list(paste.notes),
    }
