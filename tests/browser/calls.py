"""Held calls, and the servers behind this one, for pictures and for tests: each scene answers with the path to open."""

from collections.abc import Mapping, Sequence
from typing import Any

from store.answers import Chosen, Declined
from store.asking import Ticket
from store.audit.events import CallEnd
from store.calls.calls import Admitted, Ended, GovernedCall
from store.calls.definitions import Definition, Method
from store.calls.editing import Edited
from store.lifecycle import Surface
from store.people import Role
from store.policy.active import parsed
from tests.browser.call_samples import (
    APPLY,
    CHANGED,
    FIREWALL,
    HOSTILE,
    NEW,
    PAYMENT,
    PLAN,
    POLICY,
    PROPOSED,
    READ,
    SEND,
)
from tests.browser.running_site import RunningSite


def tool(upstream: str, content: Mapping[str, Any]) -> Definition:
    return Definition(upstream, Method.TOOL, str(content["name"]), content)


def put_in_force(site: RunningSite, rules: str = POLICY) -> None:
    """These rules, and what the upstreams have under them."""
    site.reviewer("ana")
    site.reviewer("mei")
    site.put_in_force(rules)
    listed(site, "payments", SEND, READ)
    listed(site, "infra", APPLY, PLAN)


def listed(site: RunningSite, upstream: str, *contents: Mapping[str, Any]) -> None:
    """That upstream lists exactly these tools now."""
    known = next(one for one in parsed(POLICY).upstreams if one.name == upstream)
    site.call(lambda: site.desk.calls.observe(known, [tool(upstream, one) for one in contents]))


def held(
    site: RunningSite,
    arguments: Mapping[str, Any] | None = None,
    *,
    upstream: str = "payments",
    content: Mapping[str, Any] = SEND,
    agent: str = "billing-bot",
) -> str:
    """A call that people are asked about; its request id."""
    definition = tool(upstream, content)
    wanted = GovernedCall(
        upstream=upstream,
        method=Method.TOOL,
        name=definition.name,
        governed_as=definition.governed_as,
        definition_sha256=definition.sha256,
        arguments=PAYMENT if arguments is None else arguments,
    )

    async def asked() -> str:
        ticket = await site.desk.calls.admit(await site.agents.enrol(agent), wanted, None)
        assert isinstance(ticket, Ticket), ticket
        return ticket.request_id

    return site.call(asked)


def edit(site: RunningSite, request_id: str, arguments: Mapping[str, Any], *, username: str = "mei") -> None:
    """That person changes what it would run with."""
    reviewer = site.reviewer(username)

    async def edited() -> None:
        view = await site.desk.show(reviewer, request_id, Surface.RENDERED_PAGE)
        assert view is not None
        done = await site.desk.edit(
            reviewer,
            request_id,
            card_sha256=view.card_sha256,
            arguments=arguments,
            surface=Surface.RENDERED_PAGE,
            authenticated_by="password",
        )
        assert isinstance(done, Edited), done

    site.call(edited)


def ran(site: RunningSite, request_id: str, ended: Ended | None, *, agent: str = "billing-bot") -> None:
    """The approved call is sent, and ends like that; without `ended`, it still runs."""

    async def run() -> None:
        begun = await site.desk.calls.begin(await site.agents.enrol(agent), request_id)
        assert isinstance(begun, Admitted), begun
        if ended is not None:
            await site.desk.calls.finish(begun.call_id, ended)

    site.call(run)


RETURNED = Ended(CallEnd.RETURNED, result={"content": [{"type": "text", "text": "paid " * 400}], "isError": False})


def payment(site: RunningSite) -> str:
    """Nothing like it came before."""
    put_in_force(site)
    return f"/requests/{held(site)}"


def payment_again(site: RunningSite) -> str:
    """The like of it was approved and ran, and was refused once."""
    put_in_force(site)
    earlier = held(site, {**PAYMENT, "amount": 1290, "reference": "Invoice 2026-1031"})
    site.answer(earlier, Chosen("run"))
    ran(site, earlier, RETURNED)
    site.answer(held(site, {**PAYMENT, "iban": "DE89 3704 0044 0532 0130 00"}), Chosen("refuse"), comment="Wrong IBAN.")
    return f"/requests/{held(site)}"


def long_argument(site: RunningSite) -> str:
    """Some 300 lines of JSON, of which two differ from what was approved before."""
    put_in_force(site)
    rules = [*FIREWALL["rules"][:-1], {**FIREWALL["rules"][-1], "port": 8443}]
    earlier = held(site, {**FIREWALL, "rules": rules}, upstream="infra", content=APPLY, agent="deploy-bot")
    site.answer(earlier, Chosen("run"))
    ran(site, earlier, RETURNED, agent="deploy-bot")
    return f"/requests/{held(site, FIREWALL, upstream='infra', content=APPLY, agent='deploy-bot')}"


def hostile(site: RunningSite) -> str:
    """Every argument tries something."""
    put_in_force(site)
    listed(site, "infra", PLAN, {"name": "store", "inputSchema": {"type": "object"}})
    content = {"name": "store", "inputSchema": {"type": "object"}}
    site.call(lambda: _accept(site, tool("infra", content)))
    return f"/requests/{held(site, HOSTILE, upstream='infra', content=content)}"


async def _accept(site: RunningSite, definition: Definition) -> None:
    await site.desk.calls.accept(
        definition.upstream, definition.method, definition.name, definition.sha256, reviewer=None, session_id=None
    )


def edited(site: RunningSite) -> str:
    """Mei changed the amount, added a date, and left out the reference."""
    path = payment_again(site)
    now = {**PAYMENT, "amount": 2000, "execution_date": "2026-12-01"}
    del now["reference"]
    edit(site, path.rpartition("/")[2], now)
    return path


def edited_block(site: RunningSite) -> str:
    """Mei changed a line of a long value."""
    path = long_argument(site)
    rules = [{**FIREWALL["rules"][0], "action": "deny"}, *FIREWALL["rules"][1:]]
    edit(site, path.rpartition("/")[2], {**FIREWALL, "rules": rules, "dry_run": True})
    return path


def edit_form(site: RunningSite) -> str:
    return f"{payment(site)}/arguments"


def _approved(site: RunningSite) -> str:
    put_in_force(site)
    request_id = held(site)
    site.answer(request_id, Chosen("run"))
    return request_id


def approved(site: RunningSite) -> str:
    """It was approved, and its agent has not come back yet."""
    return f"/requests/{_approved(site)}"


def receipt_of(ended: Ended | None) -> Any:
    """A scene: it was approved, sent, and ended like that."""

    def prepare(site: RunningSite) -> str:
        request_id = _approved(site)
        ran(site, request_id, ended)
        return f"/requests/{request_id}"

    return prepare


def unknown(site: RunningSite) -> str:
    """The server ended while it ran."""
    request_id = _approved(site)
    ran(site, request_id, Ended(CallEnd.UNKNOWN))
    return f"/requests/{request_id}"


def refused(site: RunningSite) -> str:
    put_in_force(site)
    request_id = held(site)
    site.answer(request_id, Chosen("refuse"), comment="Wait for the corrected invoice; do not try a smaller amount.")
    return f"/requests/{request_id}"


def declined(site: RunningSite) -> str:
    put_in_force(site)
    request_id = held(site)
    site.answer(request_id, Declined())
    return f"/requests/{request_id}"


def expired(site: RunningSite) -> str:
    put_in_force(site, POLICY.replace("timeout: 4h", "timeout: 1s"))
    request_id = held(site)

    async def lapse() -> None:
        while (view := await site.desk.view(request_id)) is not None and view.closed_at is None:
            await site.desk.expire_due()

    site.call(lapse)
    return f"/requests/{request_id}"


def definitions(site: RunningSite) -> str:
    """One tool's definition changed, another came, and one upstream is down."""
    site.reviewer("ana", Role.ADMIN)
    put_in_force(site)
    listed(site, "payments", CHANGED, READ)
    listed(site, "infra", APPLY, PLAN, NEW)
    one, other = parsed(POLICY).upstreams
    site.call(lambda: site.desk.calls.health(one.name, one.launch_sha256, "up", "since 14 minutes, 2 tools"))
    said = "It ended with status 1 four times: npm error 404 Not Found. Tried again in 32 seconds."
    site.call(lambda: site.desk.calls.health(other.name, other.launch_sha256, "down", said))
    return "/upstreams"


def changed_definition(site: RunningSite) -> str:
    """A call of a tool that says otherwise by now than what was accepted."""
    put_in_force(site)
    listed(site, "payments", CHANGED, READ)
    return f"/requests/{held(site)}"


def launch_lines(site: RunningSite) -> str:
    """A proposal that runs other commands."""
    site.reviewer("ana", Role.ADMIN)
    payment_again(site)
    site.propose(PROPOSED)
    return "/policy"


def scenes() -> Sequence[tuple[str, Any]]:
    """Everything here, by name."""
    failed = Ended(CallEnd.FAILED, why="payments did not answer within 60 seconds.")
    error = Ended(CallEnd.RETURNED, is_error=True, result={"content": [], "isError": True})
    return (
        ("call-payment", payment),
        ("call-payment-again", payment_again),
        ("call-300-lines", long_argument),
        ("call-hostile", hostile),
        ("call-edited", edited),
        ("call-edited-block", edited_block),
        ("call-edit-form", edit_form),
        ("call-definition-changed", changed_definition),
        ("call-approved", approved),
        ("call-ran", receipt_of(RETURNED)),
        ("call-ran-error", receipt_of(error)),
        ("call-failed", receipt_of(failed)),
        ("call-running", receipt_of(None)),
        ("call-unknown", unknown),
        ("call-refused", refused),
        ("call-expired", expired),
        ("upstreams", definitions),
        ("rules-launch-lines", launch_lines),
    )
