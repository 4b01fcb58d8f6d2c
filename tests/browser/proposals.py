"""Proposed rules, for pictures and for tests: each scene answers with the path to open."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from store.answers import Chosen
from store.calls.calls import Admitted, GovernedCall
from store.people import Role, SignIn
from store.policy.drafts import Choices, Which
from store.policy.rules import Action
from tests.browser import calls
from tests.browser.call_samples import FIREWALL, HOSTILE, PAYMENT, PLAN, POLICY
from tests.browser.running_site import RunningSite


def let_through(site: RunningSite, arguments: Mapping[str, Any], *, agent: str = "deploy-bot") -> str:
    """A plan that a rule lets run; the call's id."""
    definition = calls.tool("infra", PLAN)
    wanted = GovernedCall(
        upstream="infra",
        method=definition.method,
        name=definition.name,
        governed_as=definition.governed_as,
        definition_sha256=definition.sha256,
        arguments=arguments,
    )

    async def sent() -> str:
        admitted = await site.desk.calls.admit(await site.agents.enrol(agent), wanted, None)
        assert isinstance(admitted, Admitted), admitted
        await site.desk.calls.finish(admitted.call_id, calls.RETURNED)
        return admitted.call_id

    return site.call(sent)


def wrong(site: RunningSite) -> str:
    """A call that a rule let run, and that was wrong."""
    calls.put_in_force(site)
    for number in range(12):
        let_through(site, {"workspace": "shop", "number": number}, agent=f"deploy-{number % 3}")
    call_id = let_through(
        site, {"workspace": "shop production", "target": {"module": "network", "depth": 2}, "tags": ["a", "b"]}
    )
    return f"/policy/propose?{urlencode({'call': call_id})}"


def wrong_chosen(site: RunningSite) -> str:
    """The same, never to run with that target again."""
    return f"{wrong(site)}&action=deny&which=chosen&field=workspace&field=target.module&agent=all"


def hostile(site: RunningSite) -> str:
    """A call of which every argument tries something."""
    calls.put_in_force(site)
    long = {"script": "\n".join(f"echo {number}" for number in range(60)), "value": "x" * 180}
    call_id = let_through(site, {**HOSTILE, **long, "password\u202e": "\u2066\n</pre><script>"})
    return f"/policy/propose?{urlencode({'call': call_id})}&action=deny&which=exact"


def no_rule(site: RunningSite) -> str:
    """Choices that no rule can say."""
    return f"{wrong(site)}&action=allow&which=exact"


def answered(site: RunningSite, *, rules: str = POLICY) -> str:
    """A held payment that was approved; the request's id."""
    calls.put_in_force(site, rules)
    for number in range(7):
        calls.held(site, {**PAYMENT, "amount": 100 + number, "reference": f"Invoice {number}"})
    request_id = calls.held(site)
    site.answer(request_id, Chosen("run"))
    calls.ran(site, request_id, calls.RETURNED)
    return request_id


def remembered(site: RunningSite) -> str:
    """What was approved is to run the next time; a stricter rule keeps holding it."""
    return f"/policy/propose?{urlencode({'request': answered(site)})}"


def remembered_freely(site: RunningSite) -> str:
    """The same, where no rule in force holds it."""
    request_id = answered(site, rules=POLICY.replace("{gt: 500}", "{gt: 5000}"))
    return f"/policy/propose?{urlencode({'request': request_id})}"


def propose(site: RunningSite, choices: Choices, **cause: str) -> str:
    """The rule that these choices make, proposed by Mei; the proposal's id."""
    mei = site.reviewer("mei")

    async def proposed() -> str:
        _, session = await site.people.open_session(mei, SignIn.PASSWORD, client="a test")
        found = await site.desk.proposals.cause(**cause)
        assert found is not None
        rule = await site.desk.proposals.draft(found, choices)
        return await site.desk.proposals.propose(found, rule, session=session)

    return site.call(proposed)


def waiting(site: RunningSite) -> str:
    """Two that wait for an admin, beside a changed file."""
    site.reviewer("ana", Role.ADMIN)
    request_id = answered(site)
    propose(site, Choices(Action.NOTICE, Which.EXACT, until="2030-01-01"), request_id=request_id)
    call_id = let_through(site, FIREWALL)
    propose(site, Choices(Action.DENY, Which.ANY, every_agent=True), call_id=call_id)
    return "/policy"


def scenes() -> Sequence[tuple[str, Any]]:
    """Everything here, by name."""
    return (
        ("propose-wrong", wrong),
        ("propose-chosen", wrong_chosen),
        ("propose-no-rule", no_rule),
        ("propose-hostile", hostile),
        ("propose-remember-kept", remembered),
        ("propose-remember", remembered_freely),
        ("rules-proposals", waiting),
    )
