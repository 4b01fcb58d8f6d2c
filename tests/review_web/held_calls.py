"""Held calls, as tests of pages find them: an upstream that pays, and rules that hold what it does."""

from collections.abc import Mapping
from typing import Any

from store.asking import Ticket
from store.calls.calls import Admitted, Ended, GovernedCall
from store.calls.definitions import Definition, Method
from store.people import Reviewer
from tests.review_web.house import House
from tests.store.calls import held

TOOL = Definition(
    "payments",
    Method.TOOL,
    "send",
    {
        "name": "send",
        "description": "Sends money.\n<b>At once.</b>",
        "inputSchema": {
            "type": "object",
            "properties": {
                "amount": {"type": "number", "minimum": 0},
                "to": {"type": "string", "minLength": 2},
                "currency": {"type": "string", "enum": ["EUR", "CHF"]},
            },
            "required": ["amount", "to"],
            "additionalProperties": False,
        },
    },
)
ARGUMENTS = {"amount": 600, "to": "ACME"}


async def rules(house: House, *lines: str, groups: str = "") -> None:
    """These rules in force (else one that holds every payment), and the upstream's one tool listed."""
    await held.in_force(house.desk, *lines, groups=groups, definition=TOOL)


async def hold(house: House, arguments: Mapping[str, Any] = ARGUMENTS, *, agent: str = "billing-bot") -> str:
    """A payment that people are asked about; its request id."""
    return await hold_call(house, held.call(arguments, TOOL), agent=agent)


async def hold_call(house: House, call: GovernedCall, *, agent: str = "billing-bot") -> str:
    """A call that people are asked about; its request id."""
    known = await house.agents.enrol(agent)
    ticket = await house.desk.calls.admit(known, call, None)
    assert isinstance(ticket, Ticket), ticket
    return ticket.request_id


async def mei(house: House) -> Reviewer:
    return await house.people.find("mei") or await house.add("mei")


async def edit(house: House, request_id: str, arguments: Mapping[str, Any]) -> None:
    """Mei changes what it would run with."""
    await held.edited(house.desk, await mei(house), request_id, arguments)


async def run(house: House, request_id: str, ended: Ended | None) -> None:
    """The approved call is sent, and ends like that; without `ended`, it still runs."""
    begun = await house.desk.calls.begin(await house.agents.enrol("billing-bot"), request_id)
    assert isinstance(begun, Admitted), begun
    if ended is not None:
        await house.desk.calls.finish(begun.call_id, ended)


async def listed(house: House, *contents: Mapping[str, Any]) -> None:
    """The upstream lists exactly these tools now."""
    tools = [Definition("payments", Method.TOOL, str(content["name"]), content) for content in contents]
    await house.desk.calls.observe(held.UPSTREAM, tools)
