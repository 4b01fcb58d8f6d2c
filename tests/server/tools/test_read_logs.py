"""An agent reads what the log holds about itself, and learns nothing else from it."""

from typing import Any

import pytest
from mcp import Client

from store.answers import Chosen
from store.desk import Desk
from store.people import Reviewer
from tests.server.serving import ERAS, Serving
from tests.stage import FakeClock, answered

pytestmark = pytest.mark.anyio

ASK = {"title": "Deploy 1.4 to production?", "hold_seconds": 0}


async def read(client: Client, **wanted: Any) -> dict[str, Any]:
    result = await client.call_tool("read_logs", wanted)
    assert not result.is_error, result.content
    page: dict[str, Any] = result.structured_content
    return page


async def refused(client: Client, **wanted: Any) -> str:
    result = await client.call_tool("read_logs", wanted)
    assert result.is_error
    text: str = result.content[0].text  # type: ignore[union-attr]
    return text


def types_of(page: dict[str, Any]) -> list[str]:
    return [entry["type"] for entry in page["entries"]]


@pytest.mark.parametrize("era", ERAS)
async def test_an_agent_reads_its_own_entries_with_the_newest_last(
    server: Serving, desk: Desk, token: str, ana: Reviewer, era: str
) -> None:
    async with server.client(token, era) as client:
        asked = (await client.call_tool("ask_approval", ASK)).structured_content
        assert asked is not None
        await answered(desk, ana, asked["request_id"], Chosen("approve"))
        await client.call_tool("await_review", {"request_id": asked["request_id"]})
        page = await read(client)
    found = types_of(page)
    assert found.index("request_opened") < found.index("request_closed")
    assert set(page) == {"entries", "next_cursor"}
    assert set(page["entries"][0]) == {"index", "at", "type", "level", "text", "request_id", "call_id", "tool"}
    opened = next(entry for entry in page["entries"] if entry["type"] == "request_opened")
    assert opened["request_id"] == asked["request_id"]
    assert (opened["at"], opened["level"]) == ("2026-11-22T09:00:00.000000Z", "info")


async def test_it_reads_nothing_of_others(server: Serving, token: str, other_token: str) -> None:
    async with server.client(token) as mine, server.client(other_token) as theirs:
        asked = (await mine.call_tool("ask_approval", ASK)).structured_content
        assert asked is not None
        page = await read(theirs)
    assert "request_opened" not in types_of(page)
    assert asked["request_id"] not in str(page)


async def test_pages_lead_from_the_newest_to_the_oldest_and_hold_each_line_once(server: Serving, token: str) -> None:
    async with server.client(token) as client:
        for number in range(5):
            await client.call_tool("ask_approval", {**ASK, "title": f"Deploy {number}?"})
        whole = (await read(client))["entries"]
        paged: list[dict[str, Any]] = []
        wanted: dict[str, Any] = {"limit": 2}
        while True:
            page = await read(client, **wanted)
            paged = page["entries"] + paged
            if page["next_cursor"] is None:
                break
            wanted["cursor"] = page["next_cursor"]
    assert paged == whole


async def test_lines_are_chosen_by_level_time_and_pattern(server: Serving, token: str, clock: FakeClock) -> None:
    async with server.client(token) as client:
        await client.call_tool("ask_approval", ASK)
        clock.advance(hours=1)
        await client.call_tool("ask_approval", {**ASK, "title": "Delete the backups?"})
        late = await read(client, since="2026-11-22T09:30:00Z", pattern="^.+$")
        early = await read(client, until="2026-11-22T10:30:00+01:00")
        severe = await read(client, level="error")
        none = await read(client, pattern="no such line")
    assert {entry["at"] for entry in late["entries"]} == {"2026-11-22T10:00:00.000000Z"}
    assert {entry["at"] for entry in early["entries"]} == {"2026-11-22T09:00:00.000000Z"}
    assert types_of(late)
    assert types_of(early)
    assert (severe["entries"], none["entries"]) == ([], [])


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"level": "loud"}, "level"),
        ({"limit": 0}, "limit"),
        ({"limit": 201}, "limit"),
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-11-22T09:00:00"}, "since"),
        ({"pattern": "("}, "pattern"),
        ({"pattern": "x" * 201}, "pattern"),
        ({"pattern": r"(a)\1"}, "pattern"),
        ({"cursor": "nonsense"}, "cursor"),
        ({"agent": "billing-bot"}, "agent"),
    ],
)
async def test_what_cannot_be_read_so_is_refused_with_the_field(
    server: Serving, token: str, wanted: dict[str, Any], field: str
) -> None:
    async with server.client(token) as client:
        assert field in await refused(client, **wanted)
