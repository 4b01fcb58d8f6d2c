"""The log over HTTP: what it gives can be checked, and only those get it who may read."""

import base64

import httpx2
import pytest

from store.audit.canonical import decode
from store.audit.checkpoint import open_note
from store.audit.proof import open_proof
from store.people import Role
from tests.review_web.house import House

pytestmark = pytest.mark.anyio

PATHS = ["/api/audit/checkpoint", "/api/audit/entries", "/api/audit/proof/0"]


def decoded(answer: httpx2.Response) -> dict[int, bytes]:
    assert answer.status_code == 200, answer.text
    return {row["index"]: base64.b64decode(row["entry"], validate=True) for row in answer.json()["entries"]}


async def test_checkpoint_entries_and_proofs_belong_together(house: House) -> None:
    browser = await house.signed_in()
    await house.ask()
    entries = decoded(await browser.fetch("/api/audit/entries"))
    note = await browser.fetch("/api/audit/checkpoint")
    assert note.headers["content-type"] == "text/plain; charset=utf-8"
    checkpoint = open_note(note.text, [house.database.verifier])
    assert list(entries) == list(range(checkpoint.size))
    assert decode(entries[checkpoint.size - 1])["type"] == "request_opened"
    for index, entry in entries.items():
        proof = await browser.fetch(f"/api/audit/proof/{index}")
        assert proof.headers["content-type"] == "text/plain; charset=utf-8"
        assert open_proof(proof.text, entry, [house.database.verifier]) == (index, checkpoint)


async def test_entries_come_in_pages(house: House) -> None:
    browser = await house.signed_in()
    await house.ask()
    every = decoded(await browser.fetch("/api/audit/entries"))
    assert decoded(await browser.fetch("/api/audit/entries?start=1&limit=2")) == {i: every[i] for i in (1, 2)}
    assert decoded(await browser.fetch(f"/api/audit/entries?start={len(every) - 1}")) == {
        len(every) - 1: every[len(every) - 1]
    }
    assert decoded(await browser.fetch(f"/api/audit/entries?start={len(every)}")) == {}
    assert decoded(await browser.fetch("/api/audit/entries?limit=0")) == {}
    assert decoded(await browser.fetch("/api/audit/entries?limit=999999")) == every


@pytest.mark.parametrize(
    "query", ["start=-1", "start=x", "start=", "limit=-1", "limit=1.5", "start=٣", f"start={10**18}"]
)
async def test_a_page_that_cannot_be_is_named(house: House, query: str) -> None:
    answer = await (await house.signed_in()).fetch(f"/api/audit/entries?{query}")
    assert answer.status_code == 422
    assert f"`{query.partition('=')[0]}` is a number" in answer.json()["error"]


@pytest.mark.parametrize("index", ["999", "-1", "x", "1.0", str(10**30)])
async def test_there_is_no_proof_of_what_is_not_there(house: House, index: str) -> None:
    answer = await (await house.signed_in()).fetch(f"/api/audit/proof/{index}")
    assert answer.status_code == 404
    assert "The log has no entry of this index" in answer.json()["error"]


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("path", PATHS)
async def test_a_reviewer_token_of_any_role_reads(house: House, role: Role, path: str) -> None:
    person = await house.add("tokens", role)
    token = await house.people.add_reviewer_token(person.id)
    answer = await house.browser().client.get(path, headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 200


@pytest.mark.parametrize("path", PATHS)
async def test_strangers_and_agents_read_nothing(house: House, path: str) -> None:
    await house.ask()
    client = house.browser().client
    stranger = await client.get(path, headers={"accept": "application/json"})
    assert (stranger.status_code, stranger.json()["reason"]) == (401, "not_signed_in")
    _, agent_token = await house.agents.add("curious-bot")
    agent = await client.get(path, headers={"authorization": f"Bearer {agent_token}"})
    assert (agent.status_code, agent.json()["reason"]) == (401, "token")


@pytest.mark.parametrize("path", PATHS)
async def test_nothing_can_be_written(house: House, path: str) -> None:
    browser = await house.signed_in()
    assert (await browser.send_json(path, {})).status_code == 405
