"""A tool's or prompt's definition as lines for people, so that two of them compare. Pure.

Every key of it is there: whatever an upstream adds can change what an agent does.
"""

from collections.abc import Mapping
from typing import Any

from review_web.json_text import entry_lines

# What people read first; the rest follows by name.
_FIRST = ("name", "title", "description", "annotations", "inputSchema", "arguments", "outputSchema")


def definition_lines(content: Mapping[str, Any]) -> list[str]:
    """`content` in lines, the same for the same content."""
    names = [*(name for name in _FIRST if name in content), *sorted(name for name in content if name not in _FIRST)]
    return [line for name in names for line in entry_lines(name, content[name])]


def description_of(content: Mapping[str, Any]) -> str | None:
    """What it says of itself, if that is a text."""
    said = content.get("description")
    return said if isinstance(said, str) and said.strip() else None
