"""Ask a person before doing something, with the MCP client of the OpenAI Agents SDK; no model is called.

usage: ask_first.py "What you are about to do"      exits 0 only when a person said yes

ASSENT_TOKEN is the agent's token; ASSENT_URL says where, http://127.0.0.1:7420 by default. To let a model do the
asking, hand the same `assent` to `Agent(mcp_servers=[assent])`.
"""

import asyncio
import os
import sys
from datetime import timedelta
from typing import Any

from agents.mcp import MCPServerStreamableHttp


def server() -> MCPServerStreamableHttp:
    return MCPServerStreamableHttp(
        name="assent",
        params={
            "url": os.environ.get("ASSENT_URL", "http://127.0.0.1:7420") + "/mcp",
            "headers": {"Authorization": f"Bearer {os.environ.get('ASSENT_TOKEN', '')}"},
            "sse_read_timeout": timedelta(days=1),
        },
        # Without this every call dies after 5 seconds, and no person is that quick.
        client_session_timeout_seconds=None,
    )


async def ask(title: str) -> bool:
    """Whether a person allowed it."""
    async with server() as assent:
        result = await call(assent, "ask_approval", {"title": title, "risk": "medium"})
        while result["status"] == "pending":
            result = await call(assent, "await_review", {"request_id": result["request_id"]})
        print(result["next"])
        return bool(result["may_proceed"])


async def call(assent: MCPServerStreamableHttp, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The structured result; without one, nothing is permitted."""
    answer = await assent.call_tool(tool, arguments)
    return answer.structured_content or {"status": "error", "may_proceed": False, "next": str(answer.content)}


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(ask(" ".join(sys.argv[1:]) or "Say hello to the world?")) else 1)
