"""A LangGraph whose only way to its second step is a person's yes: the first node asks Assent, the edge obeys.

usage: ask_first.py "What you are about to do"      exits 0 only when a person said yes

ASSENT_TOKEN is the agent's token; ASSENT_URL says where, http://127.0.0.1:7420 by default.
"""

import asyncio
import os
import sys
from datetime import timedelta
from typing import Any, TypedDict

from langchain_core.tools import BaseTool
from langchain_mcp_adapters.client import MultiServerMCPClient
from langgraph.graph import END, START, StateGraph

ASSENT = {
    "transport": "streamable_http",
    "url": os.environ.get("ASSENT_URL", "http://127.0.0.1:7420") + "/mcp",
    "headers": {"Authorization": f"Bearer {os.environ.get('ASSENT_TOKEN', '')}"},
    # How long the stream may be silent. The server sends something every 15 seconds; a day leaves no doubt.
    "sse_read_timeout": timedelta(days=1),
}


class State(TypedDict, total=False):
    title: str
    answer: dict[str, Any]


async def call(tool: BaseTool, **arguments: Any) -> dict[str, Any]:
    """The structured result; without one, nothing is permitted."""
    message = await tool.ainvoke({"type": "tool_call", "id": "ask", "name": tool.name, "args": arguments})
    if message.artifact is None:
        return {"status": "error", "may_proceed": False, "next": str(message.content)}
    result: dict[str, Any] = message.artifact["structured_content"]
    return result


async def main(title: str) -> bool:
    tools = {tool.name: tool for tool in await MultiServerMCPClient({"assent": ASSENT}).get_tools()}

    async def ask(state: State) -> State:
        answer = await call(tools["ask_approval"], title=state["title"], risk="medium")
        while answer["status"] == "pending":
            answer = await call(tools["await_review"], request_id=answer["request_id"])
        return {"answer": answer}

    def act(state: State) -> State:
        print(f"Doing it: {state['title']}")
        return {}

    graph = StateGraph(State)
    graph.add_node("ask", ask)
    graph.add_node("act", act)
    graph.add_edge(START, "ask")
    graph.add_conditional_edges("ask", lambda state: "act" if state["answer"]["may_proceed"] else END, ["act", END])
    graph.add_edge("act", END)
    done = await graph.compile().ainvoke({"title": title})
    print(done["answer"]["next"])
    return bool(done["answer"]["may_proceed"])


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(main(" ".join(sys.argv[1:]) or "Say hello to the world?")) else 1)
