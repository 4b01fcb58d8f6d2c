import json

import pytest
from sqlalchemy import update

from review_web.errors import sentence
from store import tables
from store.database import Transaction
from tests.review_web.house import House

pytestmark = pytest.mark.anyio


async def test_a_person_gets_a_page_that_says_what_to_do(house: House) -> None:
    answer = await (await house.signed_in()).open("/nowhere")
    assert answer.status_code == 404
    assert "Nothing is here" in answer.text
    assert "Go to the inbox" in answer.text


async def test_a_program_gets_json(house: House) -> None:
    answer = await house.browser().fetch("/nowhere")
    assert (answer.status_code, set(answer.json())) == (404, {"error"})


async def test_anything_else_gets_a_line(house: House) -> None:
    answer = await house.browser().client.get("/nowhere")
    assert answer.headers["content-type"].startswith("text/plain")


async def test_an_address_that_takes_another_kind_of_call_says_so(house: House) -> None:
    answer = await house.browser().send_json("/api/requests", {})
    assert answer.status_code == 405
    assert "allow" in answer.headers


async def test_what_an_address_says_is_only_text(house: House) -> None:
    answer = await (await house.signed_in()).open("/requests/%3Cscript%3Ealert(1)%3C%2Fscript%3E")
    assert answer.status_code == 404
    assert "<script>alert" not in answer.text


async def break_it(house: House) -> None:
    """Makes the store fail in a way that nothing expects."""

    def change(transaction: Transaction) -> None:
        transaction.connection.exec_driver_sql("DROP TABLE shows")

    await house.database.write(change)


@pytest.mark.parametrize(("path", "kind"), [("/", "text/html"), ("/api/requests", "application/json")])
async def test_a_failure_inside_tells_no_reason_and_keeps_the_headers(house: House, path: str, kind: str) -> None:
    session = await house.signed_in()
    await house.ask()
    await break_it(house)
    browser = house.browser(raise_errors=False)
    browser.client.cookies.update(session.client.cookies)
    answer = await browser.open(path)
    assert answer.status_code == 500
    assert answer.headers["content-type"].startswith(kind)
    assert "shows" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_a_card_that_was_changed_outside_is_named_and_decides_nothing(house: House) -> None:
    browser = await house.signed_in()
    request_id = await house.ask()
    view = await house.desk.view(request_id)
    assert view is not None
    forged = json.loads(json.dumps(view.card.content()).replace("Deploy to production?", "Deploy to staging?"))

    def change(transaction: Transaction) -> None:
        transaction.connection.execute(update(tables.requests).values(card=forged))

    await house.database.write(change)
    answer = await browser.fetch(f"/api/requests/{request_id}")
    assert (answer.status_code, answer.json()["reason"]) == (500, "store")
    assert "is not the one that was posted" in answer.json()["error"]


@pytest.mark.parametrize(
    ("text", "said"),
    [("a thing happened", "A thing happened."), ("'ana' is taken.", "'ana' is taken."), ("", "")],
)
def test_a_message_of_the_store_becomes_a_sentence(text: str, said: str) -> None:
    assert sentence(text) == said
