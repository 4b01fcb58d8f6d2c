"""Lines of a stream that a stranger writes: whole, or known to be too long. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_KEPT = 512
_ID_FIRST = re.compile(rb'\s*\{\s*"jsonrpc"\s*:\s*"2\.0"\s*,\s*"id"\s*:\s*(\d{1,15})\s*,')
_ID_LAST = re.compile(rb'"jsonrpc"\s*:\s*"2\.0"\s*,\s*"id"\s*:\s*(\d{1,15})\s*\}\s*\Z')


@dataclass(frozen=True)
class TooLong:
    """A line of which only its ends were kept."""

    size: int
    head: bytes
    tail: bytes

    @property
    def answers(self) -> int | None:
        """The request that it answers; see `answered`."""
        return answered(self.head, self.tail)


def answered(head: bytes, tail: bytes) -> int | None:
    """The request that a line with these ends answers, if one of them says so as the usual implementations do."""
    found = _ID_FIRST.match(head[:_KEPT]) or _ID_LAST.search(tail[-_KEPT:])
    return int(found[1]) if found else None


class Splitter:
    """Cuts what arrives into lines. Of a line longer than `most` bytes only a little is ever held."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._parts: list[bytes] = []
        self._size = 0
        self._head = b""
        self._tail = b""

    @property
    def pending(self) -> int:
        """How long the line is so far that has not ended."""
        return self._size

    def feed(self, chunk: bytes) -> Iterator[bytes | TooLong]:
        """The lines that end in this chunk, without their line breaks."""
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            self._take(end)
            yield self._line()
        self._take(rest)

    def _take(self, part: bytes) -> None:
        if not part:
            return
        self._size += len(part)
        if self._size <= self._most:
            self._parts.append(part)
            return
        if self._parts:
            self._head = b"".join(self._parts)[:_KEPT]
            self._tail = b"".join(self._parts)[-_KEPT:]
            self._parts = []
        if len(self._head) < _KEPT:
            self._head += part[: _KEPT - len(self._head)]
        self._tail = (self._tail + part)[-_KEPT:]

    def _line(self) -> bytes | TooLong:
        line: bytes | TooLong
        line = b"".join(self._parts) if self._size <= self._most else TooLong(self._size, self._head, self._tail)
        self._parts, self._size, self._head, self._tail = [], 0, b"", b""
        return line
