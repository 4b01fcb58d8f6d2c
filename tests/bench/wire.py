"""HTTP by hand: thousands of calls from one process, at so little cost that the server is what is measured."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any, Self

LAST_CHUNK = b"\r\n0\r\n\r\n"
VERSION = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": VERSION,
    "io.modelcontextprotocol/clientCapabilities": {},
    # A client that waits for as long as it takes.
    "io.modelcontextprotocol/clientInfo": {"name": "mcp", "version": "1"},
}


@dataclass
class Wire:
    """A connection that is kept open."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def to(cls, port: int) -> Self:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def ask(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
        """One request and the body of its answer, once that is complete."""
        self.send(method, path, headers, body)
        return await self.answer()

    def send(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> None:
        fields = {**headers, "content-length": str(len(body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self.writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)

    async def answer(self) -> bytes:
        return await self.body(await self.head())

    async def head(self, status: str = " 200 ") -> str:
        """The head of an answer, in lower case; it must have this status."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        assert status in head.partition("\r\n")[0], head
        return head

    async def body(self, head: str) -> bytes:
        """The body under this head, once it is complete."""
        _, found, length = head.partition("content-length: ")
        if found:
            return await self.reader.readexactly(int(length.partition("\r\n")[0]))
        return await self.reader.readuntil(LAST_CHUNK)

    def close(self) -> None:
        self.writer.close()


def tool_call(host: str, tool: str, arguments: dict[str, Any], token: str | None) -> tuple[dict[str, str], bytes]:
    """Headers and body of a call in the newer era of the protocol."""
    headers = {
        "host": host,
        "accept": "application/json, text/event-stream",
        "content-type": "application/json",
        "mcp-protocol-version": VERSION,
        "mcp-method": "tools/call",
        "mcp-name": tool,
    }
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    params = {"name": tool, "arguments": arguments, "_meta": META}
    return headers, json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
