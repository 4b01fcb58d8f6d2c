"""Cards with a past, and cards that rules govern, for pictures and for axe: each answers with the path to open."""

from store.answers import AskedBack, Chosen
from store.questions import AskApproval
from tests.browser import samples
from tests.browser.running_site import RunningSite


def with_precedents(site: RunningSite) -> str:
    """The like of it was approved three times, and refused once."""
    for number in range(3):
        earlier = samples.EARLIER.model_copy(update={"idempotency_key": str(number)})
        site.answer(site.ask(earlier), Chosen("approve"))
    refused = samples.EARLIER.model_copy(update={"title": "Deploy release 2.13.1 to production in eu-west-2?"})
    site.answer(site.ask(refused), Chosen("reject"), comment="Wrong region.")
    return f"/requests/{site.ask(samples.APPROVAL)}"


def rounds(site: RunningSite) -> str:
    """It was asked twice before, and asked back."""
    first = site.ask(AskApproval(title="Clean up old backups?", workflow="maintenance"))
    site.answer(first, AskedBack(), comment="Which ones, and how old are they?")
    second = AskApproval(
        title="Clean up old backups?",
        description="All backups that are older than 400 days: 31 files, 1.2 TiB.",
        workflow="maintenance",
        follows=first,
    )
    again = site.ask(second)
    site.answer(again, AskedBack(), comment="Keep those of the year's end.")
    third = second.model_copy(
        update={
            "description": "Backups that are older than 400 days, without those of 31 December: 29 files, 1.1 TiB.",
            "follows": again,
        }
    )
    return f"/requests/{site.ask(third)}"


def payment(site: RunningSite) -> str:
    """A request that two people of finance must approve; its id."""
    site.reviewer("ana")
    site.reviewer("mei")
    site.reviewer("otto")
    site.put_in_force(samples.FINANCE_RULES)
    return site.ask(samples.PAYMENT, agent="billing-bot")


def several(site: RunningSite) -> str:
    """Nobody has answered it yet."""
    return f"/requests/{payment(site)}"


def voted(site: RunningSite) -> str:
    """Ana has answered it, and Mei has not."""
    request_id = payment(site)
    site.answer(request_id, Chosen("approve"), username="ana", comment="Order and invoice agree.")
    return f"/requests/{request_id}"


def not_asked(site: RunningSite) -> str:
    """Ana is none of those whom it asks."""
    payment(site)
    return f"/requests/{site.ask(samples.APPROVAL)}"


def signing(site: RunningSite) -> str:
    """Approving it takes a passkey's signature."""
    site.reviewer()
    site.put_in_force(samples.PASSKEY_RULES)
    return f"/requests/{site.ask(samples.APPROVAL)}"


def all_votes(site: RunningSite) -> str:
    """Two people approved it, and the agent said what came of it."""
    path = voted(site)
    request_id = path.rpartition("/")[2]
    site.answer(request_id, Chosen("approve"), username="mei")
    site.ask(samples.TEXT)

    async def tell() -> None:
        agent = await site.agents.enrol("billing-bot")
        await site.desk.report_consequence(agent, request_id, "paid, reference 88-1107", "Booked at the bank at once.")

    site.call(tell)
    return path


def places(site: RunningSite) -> str:
    """An inbox with requests of one's own, one that was answered, and others'."""
    voted(site)
    for question in (samples.APPROVAL, samples.SELECTION, samples.TEXT, samples.CRITICAL):
        site.ask(question)
    return "/"
