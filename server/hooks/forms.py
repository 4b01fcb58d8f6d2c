"""The clients whose hooks are answered, by the name in the address and on the command line."""

from collections.abc import Mapping
from types import MappingProxyType

from server.hooks.asked import Form
from server.hooks.claude_code import ClaudeCode
from server.hooks.codex import Codex
from server.hooks.copilot import Copilot
from server.hooks.cursor import Cursor
from server.hooks.gemini_cli import GeminiCli

FORMS: Mapping[str, Form] = MappingProxyType(
    {
        "claude-code": ClaudeCode(),
        "codex": Codex(),
        "copilot": Copilot(),
        "cursor": Cursor(),
        "gemini": GeminiCli(),
    }
)
HOOKS_PATH = "/hooks"
