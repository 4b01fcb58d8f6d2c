"""Pictures of every page, to be looked at: `python -m tests.browser.screens FOLDER [NAME…]`.

`python -m tests.browser.screens docs readme` makes the one in the README.

Desktop 1280 and phone 390, light and dark. Not a test: eyes judge these.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, BrowserContext, sync_playwright

from store.answers import AskedBack, Chosen, Declined, Filled, Selected, Written
from store.people import Role
from store.questions import AnyQuestion, AskApproval, AskTextInput, Risk
from tests.browser import calls, cards, halts, own_calls, proposals, samples, staff, watching
from tests.browser.running_site import RunningSite, running_site
from tests.push_station import Phone

WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}
Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")


@dataclass(frozen=True)
class Scene:
    """A page in a certain state. `prepare` fills the store and answers with the path to open."""

    name: str
    prepare: Callable[[RunningSite], str]
    signed_in: bool = True


def _inbox(count: int) -> Callable[[RunningSite], str]:
    def prepare(site: RunningSite) -> str:
        kinds: tuple[AnyQuestion, ...] = (samples.APPROVAL, samples.SELECTION, samples.FORM, samples.TEXT)
        for number in range(count):
            question = kinds[number % 4]
            title = f"{question.headline} ({number + 1})" if number >= 4 else question.headline
            named = {"prompt": title} if hasattr(question, "prompt") else {"title": title}
            risk = Risk.CRITICAL if number % 40 == 8 else question.risk
            workflow = ("release", "support", None)[number % 3] if count > 4 else None
            again = question.model_copy(update={**named, "risk": risk, "workflow": workflow})
            site.ask(again, agent=f"agent-{number % 12}")
        return "/"

    return prepare


def _asked(question: AnyQuestion) -> Callable[[RunningSite], str]:
    return lambda site: f"/requests/{site.ask(question)}"


def _refused(site: RunningSite) -> str:
    request_id = site.ask(samples.APPROVAL)
    site.answer(request_id, Chosen("reject"), comment="Not before the backup of tonight.")
    return f"/requests/{request_id}"


def _answered(site: RunningSite) -> str:
    request_id = site.ask(samples.FORM)
    values = {"name": "reports", "disk": 200, "size": "large", "contact": "ana@example.com", "secret": "hunter2hunter2"}
    site.answer(request_id, Filled(values), comment="As agreed on Monday.")
    return f"/requests/{request_id}"


def _expired(site: RunningSite) -> str:
    request_id = site.ask(
        samples.APPROVAL.model_copy(update={"title": "Restart the mail queue?", "timeout_seconds": 1})
    )

    async def lapse() -> None:
        while (view := await site.desk.view(request_id)) is not None and view.closed_at is None:
            await site.desk.expire_due()

    site.call(lapse)
    return f"/requests/{request_id}"


def _login(site: RunningSite) -> str:
    site.reviewer()
    return "/login"


def _history(site: RunningSite) -> str:
    site.answer(site.ask(samples.APPROVAL), Chosen("approve"))
    site.answer(site.ask(samples.CRITICAL), Chosen("reject"))
    site.answer(site.ask(samples.SELECTION), Selected(("affected",)))
    site.answer(site.ask(samples.TEXT), Written("We fixed it."), comment="Shorter.")
    site.answer(site.ask(samples.FORM), Declined())
    site.answer(site.ask(samples.HOSTILE), AskedBack(), comment="Whose account is this?")
    _expired(site)
    return "/history"


def _rules(site: RunningSite) -> str:
    site.reviewer("ana", Role.ADMIN)
    cards.voted(site)
    return "/policy"


def _rules_proposed(site: RunningSite) -> str:
    _rules(site)
    site.propose(samples.PROPOSED_RULES)
    return "/policy"


def _rules_mistaken(site: RunningSite) -> str:
    _rules(site)
    site.propose(samples.PROPOSED_RULES.replace("[mei]", "[may]"))
    return "/policy"


def _phone(site: RunningSite) -> str:
    ana = site.reviewer()

    async def added() -> None:
        devices = site.desk.devices
        for number, name in enumerate(("Firefox on a Mac", "Chrome on Android")):
            phone = Phone(f"https://push.example/{number}")
            device = await devices.add(ana, phone.subscription, name=name)
            await devices.tried(device, "the push service answered 403" if number else None)

    site.call(added)
    return "/phone"


_LONG_ARGUMENT = AskApproval(
    title="Apply this change of the firewall?",
    description="The whole rule set:\n\n```\n"
    + "\n".join(f"allow tcp from 10.0.{n}.0/24 to any port 443" for n in range(300))
    + "\n```",
    risk=Risk.HIGH,
)
_LONG_TEXT = AskTextInput(
    title="Check the annual report before it goes to print",
    prefill="\n\n".join("The year began quietly, and then the orders came. " * 20 for _ in range(28)),
    max_length=60_000,
)
_MISSING = "/requests/req_there_is_none"

SCENES = (
    Scene("inbox-0", _inbox(0)),
    Scene("inbox-1", _inbox(1)),
    Scene("inbox-12", _inbox(12)),
    Scene("inbox-200", _inbox(200)),
    Scene("inbox-places", cards.places),
    Scene("card-approval", _asked(samples.APPROVAL)),
    Scene("card-critical", _asked(samples.CRITICAL)),
    Scene("card-selection", _asked(samples.SELECTION)),
    Scene("card-form", _asked(samples.FORM)),
    Scene("card-text", _asked(samples.TEXT)),
    Scene("card-precedents", cards.with_precedents),
    Scene("card-rounds", cards.rounds),
    Scene("card-several", cards.several),
    Scene("card-voted", cards.voted),
    Scene("card-not-asked", cards.not_asked),
    Scene("card-signing", cards.signing),
    Scene("card-hostile", _asked(samples.HOSTILE)),
    Scene("card-unbroken", _asked(samples.UNBROKEN)),
    Scene("card-300-lines", _asked(_LONG_ARGUMENT)),
    Scene("card-5000-words", _asked(_LONG_TEXT)),
    Scene("receipt-refused", _refused),
    Scene("receipt-expired", _expired),
    Scene("receipt-answered", _answered),
    Scene("receipt-votes", cards.all_votes),
    Scene("history", _history),
    Scene("rules", _rules),
    Scene("rules-proposed", _rules_proposed),
    Scene("rules-mistaken", _rules_mistaken),
    Scene("account", lambda site: "/account"),
    Scene("people", staff.people_page),
    Scene("person", staff.person_page),
    Scene("agents", staff.agents_page),
    Scene("invitation", staff.invitation_page, signed_in=False),
    Scene("phone", _phone),
    *(Scene(name, prepare) for name, prepare in (*calls.scenes(), *own_calls.scenes(), *halts.scenes())),
    *(Scene(name, prepare) for name, prepare in (*proposals.scenes(), *watching.scenes())),
    Scene("login", _login, signed_in=False),
    Scene("setup", lambda site: f"/setup?token={site.call(site.people.create_setup_link)}", signed_in=False),
    Scene("error", lambda site: _MISSING),
)


@contextmanager
def window(browser: Browser, size: tuple[int, int], scheme: Scheme) -> Iterator[BrowserContext]:
    """A window of that size and colour."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,
        device_scale_factor=1,
        reduced_motion="reduce",
    )
    try:
        yield context
    finally:
        context.close()


def picture(browser: Browser, scene: Scene, folder: Path) -> None:
    """One scene, in every size and colour."""
    with tempfile.TemporaryDirectory() as home, running_site(Path(home)) as site:
        path = scene.prepare(site)
        for device, size in WIDTHS.items():
            for scheme in SCHEMES:
                with window(browser, size, scheme) as context:
                    if scene.signed_in:
                        cookie, secret = site.cookie(site.reviewer())
                        context.add_cookies([{"name": cookie, "value": secret, "url": site.origin}])
                    page = context.new_page()
                    page.goto(site.origin + path)
                    page.wait_for_load_state("load")
                    name = f"{scene.name}-{device}-{scheme}"
                    if device == "phone":
                        # What floats at the bottom is out of place in a picture of the whole page.
                        page.screenshot(path=folder / f"{name}-top.png")
                        page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
                        page.screenshot(path=folder / f"{name}-end.png")
                    else:
                        page.screenshot(path=folder / f"{name}.png", full_page=True)


def picture_of_a_card(browser: Browser, folder: Path) -> None:
    """The picture in the README."""
    with tempfile.TemporaryDirectory() as home, running_site(Path(home)) as site:
        earlier = samples.README.model_copy(
            update={"title": samples.README.title.replace("2.14.0", "2.13.2"), "description": "One host at a time."}
        )
        for given, said in (
            (Chosen("approve"), None),
            (Chosen("reject"), "Not on a Friday."),
            (Chosen("approve"), "Go."),
        ):
            site.answer(site.ask(earlier.model_copy(update={"idempotency_key": str(said)})), given, comment=said)
        request_id = site.ask(samples.README)
        with site.desk.on_the_line(request_id), window(browser, (840, 900), "light") as context:
            cookie, secret = site.cookie(site.reviewer())
            context.add_cookies([{"name": cookie, "value": secret, "url": site.origin}])
            page = context.new_page()
            page.goto(f"{site.origin}/requests/{request_id}")
            page.locator("article.card").screenshot(path=folder / "card.png")


def main(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    executable = subprocess.run(["scripts/chromium"], check=True, capture_output=True, text=True).stdout.strip()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        if names == ["readme"]:
            picture_of_a_card(browser, folder)
        for scene in SCENES:
            if not names or scene.name in names:
                picture(browser, scene, folder)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
