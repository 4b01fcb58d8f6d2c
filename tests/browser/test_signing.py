"""Signing an approval with a passkey, in a real browser with a virtual authenticator."""

from functools import partial

import pytest
from playwright.sync_api import CDPSession, Page, Response, expect

from store.audit.signatures import SignatureCounts
from store.fields import FormField
from store.lifecycle import State
from store.policy.active import Via, activate
from store.questions import AskForm, Risk
from store.values import FieldType
from tests.browser import samples
from tests.browser.running_site import RunningSite
from tests.browser.screens import SCHEMES
from tests.browser.test_accessibility import PHONE, faults
from tests.browser.windows import Windows

pytestmark = pytest.mark.browser

POLICY = """version: 1
rules:
  - name: signed
    tool: "ask_*"
    require: passkey
"""


@pytest.fixture
def governed(site: RunningSite) -> RunningSite:
    """A site whose rules want every approval signed."""
    site.database.write_now(lambda change: activate(change, POLICY, reviewer=None, via=Via.COMMAND_LINE))
    return site


def authenticator(page: Page) -> tuple[CDPSession, str]:
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    added = session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return session, added["authenticatorId"]


def enrol(site: RunningSite, page: Page, name: str) -> None:
    page.goto(f"{site.origin}/account")
    page.get_by_label("Name for a new passkey").fill(name)
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_text(name)).to_be_visible()


@pytest.fixture
def signer(governed: RunningSite, page: Page) -> tuple[CDPSession, str]:
    """Ana's window, whose device holds a passkey of hers."""
    device = authenticator(page)
    enrol(governed, page, "This laptop")
    return device


def state_of(site: RunningSite, request_id: str) -> State:
    view = site.call(lambda: site.desk.view(request_id))
    assert view is not None
    return view.state


def open_card(site: RunningSite, page: Page, request_id: str) -> None:
    page.goto(f"{site.origin}/requests/{request_id}")


def test_an_approval_is_signed_and_the_log_verifies_it(
    governed: RunningSite, page: Page, signer: tuple[CDPSession, str]
) -> None:
    request_id = governed.ask(samples.APPROVAL)
    open_card(governed, page, request_id)
    expect(page.get_by_text("signed with your passkey")).to_be_visible()
    page.get_by_label("Comment").fill("Checked the backup.")
    page.get_by_role("button", name="Approve").click()
    expect(page.locator(".receipt")).to_be_visible()
    assert state_of(governed, request_id) is State.CLOSED
    assert governed.desk.log.verify().signatures == SignatureCounts(checked=1)


def test_a_refusal_asks_for_no_passkey(governed: RunningSite, page: Page, signer: tuple[CDPSession, str]) -> None:
    session, device = signer
    session.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": device})
    request_id = governed.ask(samples.APPROVAL)
    open_card(governed, page, request_id)
    page.get_by_role("button", name="Reject").click()
    expect(page.locator(".receipt")).to_be_visible()
    assert governed.desk.log.verify().signatures == SignatureCounts()


def test_a_person_who_does_not_confirm_sends_nothing_and_can_try_again(
    governed: RunningSite, page: Page, signer: tuple[CDPSession, str]
) -> None:
    session, device = signer
    session.send("WebAuthn.setUserVerified", {"authenticatorId": device, "isUserVerified": False})
    request_id = governed.ask(samples.APPROVAL)
    open_card(governed, page, request_id)
    page.get_by_label("Comment").fill("Checked the backup.")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("No passkey was used. Nothing was sent")).to_be_in_viewport()
    assert state_of(governed, request_id) is State.SHOWN
    expect(page.get_by_label("Comment")).to_have_value("Checked the backup.")
    session.send("WebAuthn.setUserVerified", {"authenticatorId": device, "isUserVerified": True})
    page.get_by_role("button", name="Approve").click()
    expect(page.locator(".receipt")).to_be_visible()


def test_a_signed_form_with_a_password_is_sent_once(
    governed: RunningSite, page: Page, signer: tuple[CDPSession, str]
) -> None:
    posted: list[tuple[str, int]] = []

    def note(response: Response) -> None:
        if response.request.method == "POST" and "/requests/" in response.url:
            posted.append((response.url.rpartition("/")[2], response.status))

    page.on("response", note)
    secret = FormField(name="secret", label="The password", type=FieldType.PASSWORD, required=True)
    open_card(governed, page, governed.ask(AskForm(title="The new database", fields=(secret,))))
    page.get_by_label("The password").fill("correct horse")
    page.get_by_role("button", name="Send form").dblclick()
    expect(page.locator(".receipt")).to_be_visible()
    assert posted == [("signature", 200), ("decision", 303)]


def test_what_is_wrong_with_an_answer_is_said_beside_its_field_before_anything_is_signed(
    governed: RunningSite, windows: Windows, page: Page, signer: tuple[CDPSession, str]
) -> None:
    risky = samples.APPROVAL.model_copy(update={"risk": Risk.HIGH, "title": "Drop the table?"})
    open_card(governed, page, governed.ask(risky))
    page.eval_on_selector("#comment", "box => { box.required = false; }")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("alert").filter(has_text="not approved without a reason")).to_be_visible()
    assert governed.desk.log.verify().signatures == SignatureCounts()
    windows.complaints[:] = [c for c in windows.complaints if "status of 422" not in c]


def test_of_two_passkeys_the_one_that_this_browser_used_stays_chosen(
    governed: RunningSite, page: Page, signer: tuple[CDPSession, str]
) -> None:
    session, device = signer
    held = session.send("WebAuthn.getCredentials", {"authenticatorId": device})["credentials"]
    session.send("WebAuthn.clearCredentials", {"authenticatorId": device})
    enrol(governed, page, "My phone")
    session.send("WebAuthn.clearCredentials", {"authenticatorId": device})
    session.send("WebAuthn.addCredential", {"authenticatorId": device, "credential": held[0]})
    open_card(governed, page, governed.ask(samples.APPROVAL))
    page.get_by_label("Comment").fill("Checked the backup.")
    page.get_by_label("Sign with").select_option(label="This laptop")
    page.get_by_role("button", name="Approve").click()
    expect(page.locator(".receipt")).to_be_visible()
    open_card(governed, page, governed.ask(samples.APPROVAL.model_copy(update={"title": "And another?"})))
    expect(page.get_by_label("Sign with").locator("option:checked")).to_have_text("This laptop")


@pytest.mark.parametrize("passkeys", [0, 1, 2])
def test_a_card_that_wants_a_signature_is_accessible(governed: RunningSite, windows: Windows, passkeys: int) -> None:
    # A colour on its way from light to dark is none that anybody reads.
    page = windows.open(bypass_csp=True, viewport=PHONE, reduced_motion="reduce")
    person = governed.reviewer()
    for number in range(passkeys):
        governed.call(partial(add_passkey, governed, person.id, number))
    open_card(governed, page, governed.ask(samples.APPROVAL))
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        assert faults(page) == []


async def add_passkey(site: RunningSite, reviewer_id: str, number: int) -> None:
    await site.people.add_passkey(
        reviewer_id,
        credential_id=bytes([number]) * 16,
        public_key=b"key",
        sign_count=0,
        name=f"Passkey {number}",
        transports=(),
    )
