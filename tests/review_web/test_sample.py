import pytest

from store.people import Role
from tests.review_web.house import House

pytestmark = pytest.mark.anyio


async def test_a_sample_question_leads_to_its_card(house: House) -> None:
    browser = await house.signed_in()
    assert 'action="/sample"' in (await browser.open("/")).text
    answer = await browser.send_form("/sample", {})
    (view,) = await house.desk.inbox()
    assert (answer.status_code, answer.headers["location"]) == (303, f"/requests/{view.request_id}")
    assert (view.agent, view.title) == ("sample", "May I water the plants?")


async def test_asking_for_it_twice_makes_one_card(house: House) -> None:
    browser = await house.signed_in()
    for _ in range(2):
        await browser.send_form("/sample", {})
    assert len(await house.desk.inbox()) == 1


async def test_an_auditor_is_offered_no_sample_and_gets_none(house: House) -> None:
    browser = await house.signed_in("ada", Role.AUDITOR)
    assert 'action="/sample"' not in (await browser.open("/")).text
    assert (await browser.send_form("/sample", {})).status_code == 403
    assert await house.desk.inbox() == []


async def test_a_stranger_gets_no_sample(house: House) -> None:
    assert (await house.browser().send_form("/sample", {})).status_code == 303
    assert await house.desk.inbox() == []
