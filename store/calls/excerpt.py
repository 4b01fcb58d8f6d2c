"""How what a call returned begins, for people who watch: a text, and never more of it. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

LONGEST = 500
"""Characters."""
_LOOKED_AT = 50


def excerpt_of(result: Mapping[str, Any]) -> str:
    """The first characters of the texts in a result of a tool, a prompt or a resource, `…` behind them where there is
    more; what is no text stands as its type in brackets. Whatever shape the result has, this is a text."""
    found, length = [], 0
    for text in _texts(result):
        # A lone surrogate is no text, and no column holds one.
        clean = text[: LONGEST + 1].encode("utf-8", "replace").decode()
        found.append(clean)
        length += len(clean) + 1
        if length > LONGEST + 1:
            break
    whole = "\n".join(found)
    return whole if len(whole) <= LONGEST else whole[:LONGEST] + "…"


def _texts(result: Mapping[str, Any]) -> Iterator[str]:
    for name in ("content", "messages", "contents"):
        blocks = result.get(name)
        if isinstance(blocks, list):
            yield from (_text(block) for block in blocks[:_LOOKED_AT])


def _text(block: Any) -> str:
    if not isinstance(block, Mapping):
        return "[?]"
    content = block.get("content")
    if isinstance(content, Mapping):
        # Of a prompt's message.
        return _text(content)
    for holder in (block, block.get("resource")):
        if isinstance(holder, Mapping) and isinstance(holder.get("text"), str):
            return str(holder["text"])
    kind = block.get("mimeType") or block.get("type")
    return f"[{kind[:60]}]" if isinstance(kind, str) else "[?]"
