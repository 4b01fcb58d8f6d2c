"""Short ways for attackers to ask, read and answer over the real port."""

from typing import Any

import httpx2

from tests.hostile.world import DEPLOY, World
from tests.review_web.house import Browser

APPROVE = {"decision": "approve", "comment": "Checked, and fine."}


async def asked(world: World, token: str, **more: Any) -> str:
    """A question of the agent with this token; its request id."""
    async with world.caller(token) as caller:
        result = await caller.asked("ask_approval", {**DEPLOY, **more})
    request_id: str = result["request_id"]
    return request_id


async def shown(browser: Browser, request_id: str) -> str:
    """Read the card; its hash."""
    answer = await browser.fetch(f"/api/requests/{request_id}")
    assert answer.status_code == 200, answer.text
    card: str = answer.json()["card_sha256"]
    return card


async def looked_at(browser: Browser, request_id: str) -> str:
    """Read the card as a script and on its page, so that showing it again is nothing new; its hash."""
    assert (await browser.open(f"/requests/{request_id}")).status_code == 200
    return await shown(browser, request_id)


async def send(browser: Browser, request_id: str, body: dict[str, Any], **headers: str) -> httpx2.Response:
    """Answer as a script of our own page does."""
    return await browser.send_json(f"/api/requests/{request_id}/decision", body, **headers)


async def press(browser: Browser, request_id: str, card: str, action: str = "option:approve") -> httpx2.Response:
    """Answer as the page's own form does."""
    form = {"card_sha256": card, "action": action, "comment": APPROVE["comment"]}
    return await browser.send_form(f"/requests/{request_id}/decision", form)
