"""Held calls, signed with a passkey: whoever has one signs, whether or not a rule says so."""

import pytest

from store.audit.signatures import SignatureCounts
from store.signing.statement import load_statement
from tests.review_web import held_calls
from tests.review_web.cards import open_card, send, view_of
from tests.review_web.house import House
from tests.review_web.test_signing import Signer, signer

pytestmark = pytest.mark.anyio
CHANGED = {"amount": 20, "to": "ACME"}


@pytest.fixture
async def ana(house: House) -> Signer:
    await held_calls.rules(house)
    return await signer(house, "ana")


async def read(person: Signer, request_id: str) -> dict[str, str]:
    view = (await person.browser.fetch(f"/api/requests/{request_id}")).json()
    assert view["you"]["needs_passkey"]
    return {"card_sha256": view["card_sha256"], "decision": "run"}


async def test_who_has_a_passkey_signs_what_will_run_and_the_log_verifies_it(house: House, ana: Signer) -> None:
    request_id = await held_calls.hold(house)
    body = await read(ana, request_id)
    asked = (await ana.asked(request_id, body)).json()
    assert load_statement(asked["statement"]).executed_args_commitment is not None
    answer = await ana.decide(request_id, body, await ana.assertion(request_id, body))
    assert (answer.status_code, answer.json()["may_proceed"]) == (200, True)
    assert house.desk.log.verify().signatures == SignatureCounts(checked=1)


async def test_without_a_signature_nothing_runs_and_refusing_takes_none(house: House, ana: Signer) -> None:
    request_id = await held_calls.hold(house)
    page = await open_card(ana.browser, request_id)
    assert f'data-signs="/requests/{request_id}/signature"' in page
    status, _ = await send(ana.browser, request_id, page, action="option:run")
    assert (status, (await view_of(house, request_id)).outcome) == (409, None)
    assert (await send(ana.browser, request_id, page, action="option:refuse"))[0] == 303


async def test_who_has_no_passkey_signs_nothing(house: House, ana: Signer) -> None:
    otto = await house.signed_in("otto")
    request_id = await held_calls.hold(house)
    page = await open_card(otto, request_id)
    assert "data-signs" not in page
    assert (await send(otto, request_id, page, action="option:run"))[0] == 303


async def test_a_signature_for_the_card_from_before_approves_no_other_arguments(house: House, ana: Signer) -> None:
    request_id = await held_calls.hold(house)
    body = await read(ana, request_id)
    signed = await ana.assertion(request_id, body)
    await held_calls.edit(house, request_id, CHANGED)
    assert (await ana.decide(request_id, body, signed)).status_code == 409
    fresh = await read(ana, request_id)
    assert (await ana.decide(request_id, fresh, signed)).status_code != 200
    assert (await view_of(house, request_id)).outcome is None
    assert (await ana.decide(request_id, fresh, await ana.assertion(request_id, fresh))).status_code == 200
    house.desk.log.verify()
