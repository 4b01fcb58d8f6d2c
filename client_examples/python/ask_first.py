"""Ask a person before doing something: one question to Assent, with the official Python client.

usage: ask_first.py "What you are about to do"      exits 0 only when a person said yes

By HTTP when ASSENT_TOKEN is set (ASSENT_URL says where, http://127.0.0.1:7420 by default), else through `assent stdio`,
which starts the server by itself. ASSENT_COMMAND names the command, when it is not on PATH.
"""

import os
import shlex
import sys
from contextlib import AsyncExitStack

import anyio
from httpx2 import AsyncClient, Timeout
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client


async def connect(stack: AsyncExitStack) -> Client:
    """A connected client, for as long as the stack is open."""
    token = os.environ.get("ASSENT_TOKEN")
    if token is None:
        command, *arguments = shlex.split(os.environ.get("ASSENT_COMMAND", "assent stdio --agent ask-first"))
        stdio = StdioServerParameters(command=command, args=arguments, env=dict(os.environ))
        return await stack.enter_async_context(Client(stdio))
    url = os.environ.get("ASSENT_URL", "http://127.0.0.1:7420") + "/mcp"
    # No read timeout: the answer comes when a person gives it.
    http = AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=Timeout(30, read=None))
    await stack.enter_async_context(http)
    return await stack.enter_async_context(Client(streamable_http_client(url, http_client=http)))


async def ask(title: str) -> bool:
    """Whether a person allowed it."""

    async def waiting(progress: float, total: float | None, message: str | None) -> None:
        print(message, file=sys.stderr)

    async with AsyncExitStack() as stack:
        client = await connect(stack)
        question = {"title": title, "risk": "medium"}
        answer = await client.call_tool("ask_approval", question, progress_callback=waiting)
        result = answer.structured_content or {"may_proceed": False, "next": answer.content}
        # A client that some library made impatient is told `pending`: the question is still open, so wait on.
        while result.get("status") == "pending":
            answer = await client.call_tool("await_review", {"request_id": result["request_id"]})
            result = answer.structured_content or {"may_proceed": False, "next": answer.content}
        print(result["next"])
        return bool(result["may_proceed"])


if __name__ == "__main__":
    sys.exit(0 if anyio.run(ask, " ".join(sys.argv[1:]) or "Say hello to the world?") else 1)
