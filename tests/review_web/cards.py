"""Cards as tests open and answer them."""

import re
from collections.abc import Sequence

from store.answers import Chosen
from store.deciding.decisions import Decided
from store.fields import Choice, FormField
from store.lifecycle import Surface
from store.questions import AskForm, AskSelection, AskTextInput, Mode
from store.requests import RequestView
from store.values import FieldType
from tests.review_web.house import Browser, House

SELECTION = AskSelection(
    prompt="Which region?", options=(Choice(id="eu", label="Europe"), Choice(id="us")), mode=Mode.MULTIPLE, max=1
)
FORM = AskForm(
    title="Details",
    fields=(
        FormField(name="age", label="Age", type=FieldType.INTEGER, required=True, min=18),
        FormField(name="note", label="Note", type=FieldType.TEXTAREA),
        FormField(name="pin", label="PIN", type=FieldType.PASSWORD, required=True, min=4),
    ),
)
TEXT = AskTextInput(title="The announcement", prefill="Hello\nworld", min_length=3)


async def open_card(browser: Browser, request_id: str) -> str:
    page = await browser.open(f"/requests/{request_id}")
    assert page.status_code == 200
    return page.text


def card_hash(page: str) -> str:
    found = re.search(r'name="card_sha256" value="([0-9a-f]{64})"', page)
    assert found
    return found[1]


async def send(browser: Browser, request_id: str, page: str, **form: str | Sequence[str]) -> tuple[int, str]:
    data = {"card_sha256": card_hash(page), **{name.replace("__", ":"): value for name, value in form.items()}}
    headers = {"accept": "text/html", "origin": browser.origin, "sec-fetch-site": "same-origin"}
    answer = await browser.client.post(f"/requests/{request_id}/decision", data=data, headers=headers)
    return answer.status_code, answer.text


def text_of(page: str) -> str:
    """The words of a page, as they are read."""
    apart = re.sub(r"</(dt|dd|li|p|h\d)>", " ", page)
    return " ".join(re.sub(r"<[^>]+>", "", apart).split())


async def view_of(house: House, request_id: str) -> RequestView:
    view = await house.desk.view(request_id)
    assert view is not None
    return view


async def answered(house: House, request_id: str, username: str = "mei") -> None:
    mei = await house.people.find(username) or await house.add(username)
    view = await house.desk.show(mei, request_id, Surface.RENDERED_PAGE)
    assert view is not None
    decision = await house.desk.decide(
        mei,
        request_id,
        card_sha256=view.card_sha256,
        answer=Chosen("approve"),
        comment="Go ahead.",
        surface=Surface.RENDERED_PAGE,
        authenticated_by="passkey",
    )
    assert isinstance(decision, Decided)
