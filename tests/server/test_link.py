"""However many calls lose the server at once, it is looked for once; a request is re-issued as the protocol asks."""

import json

import anyio
import anyio.lowlevel
import pytest

from server.destination import Reached
from server.link import Call, Links
from store.problems import Problem

pytestmark = pytest.mark.anyio


class Counted:
    """A destination that is found each time, and counts how often it was looked for."""

    def __init__(self) -> None:
        self.searches = 0

    async def reach(self) -> Reached:
        self.searches += 1
        await anyio.lowlevel.checkpoint()
        return Reached("http://127.0.0.1:1/mcp", {"authorization": "Bearer x"}, False)


class Nowhere:
    """A destination that cannot be found."""

    async def reach(self) -> Reached:
        raise Problem("there is no server", "start one")


async def test_all_calls_that_lose_a_link_share_one_search_for_the_next() -> None:
    destination = Counted()
    async with Links(destination, lambda link: None) as links:
        lost = await links.ready()
        found = []

        async def find() -> None:
            found.append(await links.ready(after=lost))

        async with anyio.create_task_group() as calls:
            for _ in range(10):
                calls.start_soon(find)

    assert destination.searches == 2
    assert len(set(map(id, found))) == 1
    assert lost not in found


async def test_a_link_that_holds_is_not_looked_for_again() -> None:
    destination = Counted()
    async with Links(destination, lambda link: None) as links:
        assert await links.ready() is await links.ready()

    assert destination.searches == 1


async def test_a_search_that_fails_is_told_and_may_be_repeated() -> None:
    async with Links(Nowhere(), lambda link: None) as links:
        for _ in range(2):
            with pytest.raises(Problem, match="there is no server"):
                await links.ready()


def call(**message: object) -> Call:
    return Call.of(message, json.dumps(message).encode(), {})


def test_a_request_is_re_issued_under_a_new_id_with_nothing_else_changed() -> None:
    again = call(id=1, method="tools/call", params={"name": "ask_approval"}).again(7)

    assert again.wire_id == "assent-again-7"
    assert json.loads(again.body) == {
        "id": "assent-again-7",
        "method": "tools/call",
        "params": {"name": "ask_approval"},
    }
    assert again.message["id"] == 1


@pytest.mark.parametrize(
    "message", [{"method": "notifications/initialized"}, {"id": 1, "method": "subscriptions/listen"}]
)
def test_what_has_no_id_or_must_keep_it_is_re_issued_as_it_was(message: dict[str, object]) -> None:
    assert call(**message).again(7) == call(**message)


def test_a_credential_shows_in_no_representation() -> None:
    assert "secret" not in repr(Reached("http://127.0.0.1:1/mcp", {"authorization": "Bearer secret"}, False))
