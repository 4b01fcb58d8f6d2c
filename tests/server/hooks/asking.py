"""Hooks as Claude Code sends them, to a server on a real port, and a person who answers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from store.agents import Agents
from store.answers import Answer, Chosen
from store.calls.editing import Edited
from store.desk import Desk
from store.lifecycle import Surface
from store.people import Reviewer
from tests.server.serving import Serving, serving
from tests.stage import answered, see

RUN, REFUSE = Chosen("run"), Chosen("refuse")
SESSION = "0f9c6a3e-session"


def tool_use(
    command: str = "make deploy", *, tool: str = "Bash", tool_use_id: str = "toolu_1", **more: Any
) -> dict[str, Any]:
    """What `PreToolUse` posts for one command, or with `tool_input` for any tool."""
    return {
        "session_id": SESSION,
        "transcript_path": "/home/me/.claude/projects/x.jsonl",
        "cwd": "/srv/project",
        "permission_mode": "default",
        "hook_event_name": "PreToolUse",
        "tool_name": tool,
        "tool_input": {"command": command, "description": "Deploys"},
        "tool_use_id": tool_use_id,
        **more,
    }


@dataclass
class Asking:
    """A client whose hooks ask the server."""

    server: Serving
    http: httpx2.AsyncClient

    @property
    def desk(self) -> Desk:
        return self.server.desk

    async def post(self, body: Any, *, client: str = "claude-code", query: str = "") -> httpx2.Response:
        if isinstance(body, bytes):
            return await self.http.post(f"/hooks/{client}{query}", content=body)
        return await self.http.post(f"/hooks/{client}{query}", json=body)

    async def ask(self, body: Any, *, client: str = "claude-code", query: str = "") -> dict[str, Any]:
        """What the client reads."""
        answer = await self.post(body, client=client, query=query)
        assert answer.status_code == 200, answer.text
        said: dict[str, Any] = answer.json()
        return said

    async def decide(self, reviewer: Reviewer, given: Answer = RUN, comment: str | None = None) -> str:
        """Answer the next card for which a hook waits; its request."""
        card = await self.server.card()
        await answered(self.desk, reviewer, card.request_id, given, comment=comment)
        return card.request_id


@asynccontextmanager
async def asking(desk: Desk, agents: Agents, token: str) -> AsyncIterator[Asking]:
    async with serving(desk, agents) as server:
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(base_url=server.url, headers=headers, timeout=30, trust_env=False) as http:
            yield Asking(server, http)


async def edited_to(desk: Desk, reviewer: Reviewer, request_id: str, **arguments: Any) -> None:
    """Change what a held call would run with."""
    made = await desk.edit(
        reviewer,
        request_id,
        card_sha256=await see(desk, reviewer, request_id),
        arguments=arguments,
        surface=Surface.RENDERED_PAGE,
        authenticated_by="password",
    )
    assert isinstance(made, Edited), made


def decided(answer: dict[str, Any]) -> tuple[str, str]:
    """What Claude Code is told, and why."""
    said = answer["hookSpecificOutput"]
    assert said["hookEventName"] == "PreToolUse"
    return said["permissionDecision"], said["permissionDecisionReason"]
