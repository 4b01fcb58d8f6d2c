"""What the rules say to one call: the strictest wins, and what cannot be judged is never let through."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.policy.arguments import Check, Matcher, Op
from store.policy.budgets import Budget
from store.policy.demands import Condition
from store.policy.hours import hours_of
from store.policy.judging import judge
from store.policy.rules import Action, Group, Policy, Rule
from store.policy.until import until_of
from store.policy.upstreams import Upstream
from store.policy.verdicts import Called, Spend, Verdict
from store.questions import Risk

MONDAY = datetime(2026, 11, 23, 9, tzinfo=UTC)
CALLED = Called("payments__send", "payments", {"amount": 60, "currency": "EUR"}, "billing", MONDAY)
SMALL = (Matcher("amount", (Check(Op.GT, 0), Check(Op.LE, 500))),)


def policy(*rules: Rule, default: Action = Action.HOLD) -> Policy:
    upstreams = (Upstream("payments", url="https://payments.internal/mcp"), Upstream("files", command="files"))
    return Policy("the hash", (Group("finance", ("Ben", "ana")),), rules, upstreams, default)


def nothing(_: Spend) -> int:
    return 0


def judged(*rules: Rule, given: str | None = None, default: Action = Action.HOLD, **more: Any) -> Verdict:
    return judge(policy(*rules, default=default), replace(CALLED, **more), given=given, spent=nothing)


def sending(name: str, action: Action, **more: Any) -> Rule:
    return Rule(name, tools=("payments__send",), action=action, **more)


def condition(rule: str, **more: Any) -> Condition:
    return replace(Condition(rule, None, (), 1, passkey=False, not_owner=False, reason_required=False), **more)


ALLOW, NOTICE = sending("allow", Action.ALLOW), sending("notice", Action.NOTICE)
HOLD, DENY = sending("hold", Action.HOLD), sending("deny", Action.DENY, denial="Ask the bank.")
BY_DEFAULT = Verdict(Action.HOLD, (), ("no rule matches it",), policy_sha256="the hash")


def test_what_no_rule_matches_is_held_or_denied_as_the_file_says() -> None:
    assert judged() == BY_DEFAULT
    sentence = "no rule allows this, and what no rule matches is denied."
    assert judged(default=Action.DENY) == Verdict(
        Action.DENY, (), ("no rule matches it",), denied=sentence, policy_sha256="the hash"
    )


def test_a_call_of_an_upstream_that_the_rules_do_not_know_is_denied_whatever_allows_it() -> None:
    verdict = judged(Rule("all", tools=("*",), action=Action.ALLOW), tool="mail__send", upstream="mail")
    sentence = "the rules in force know no upstream 'mail'"
    assert verdict == Verdict(Action.DENY, (), (sentence,), denied=f"{sentence}.", policy_sha256="the hash")


def test_each_action_is_said_with_its_rule() -> None:
    assert judged(ALLOW) == Verdict(Action.ALLOW, ("allow",), (), policy_sha256="the hash")
    assert judged(NOTICE) == Verdict(
        Action.NOTICE, ("notice",), ("the rule 'notice' has it watched",), policy_sha256="the hash"
    )
    assert judged(HOLD) == Verdict(
        Action.HOLD, ("hold",), ("the rule 'hold' holds it",), (condition("hold"),), policy_sha256="the hash"
    )
    assert judged(DENY) == Verdict(
        Action.DENY,
        ("deny",),
        ("the rule 'deny' denies it",),
        denied="the rule 'deny' denies this. Ask the bank.",
        policy_sha256="the hash",
    )


@pytest.mark.parametrize("count", [2, 3, 4])
def test_the_strictest_wins_whatever_the_order(count: int) -> None:
    for rules in permutations([ALLOW, NOTICE, HOLD, DENY], count):
        verdict = judged(*rules)
        assert verdict.action is max((rule.action for rule in rules), key=lambda one: one.strictness)
        assert verdict.rules == tuple(rule.name for rule in rules)


def test_every_rule_that_holds_must_be_satisfied_and_the_shortest_time_wins() -> None:
    two = sending("two", Action.HOLD, reviewers=("finance",), approvals=2, timeout_seconds=60, passkey=True)
    verdict = judged(ALLOW, two, replace(HOLD, timeout_seconds=90))
    assert verdict.conditions == (
        condition("two", reviewers=("ana", "ben"), groups=("finance",), approvals=2, passkey=True),
        condition("hold"),
    )
    assert verdict.reasons == ("the rule 'two' holds it", "the rule 'hold' holds it")
    assert verdict.timeout_seconds == 60


@pytest.mark.parametrize("tool", ["payments__SEND", "Payments__send", "payments__\uff53end", "payments__send "])
def test_a_look_alike_is_never_allowed_and_always_held_or_denied(tool: str) -> None:
    for permitting in (ALLOW, NOTICE):
        assert judged(permitting, tool=tool) == BY_DEFAULT
    assert judged(HOLD, tool=tool).rules == ("hold",)
    assert judged(DENY, tool=tool).action is Action.DENY


def test_a_look_alike_profits_from_no_exception() -> None:
    held = Rule("all but reads", tools=("files__*",), exceptions=("files__read",))
    allowed = Rule("all but writes", tools=("files__*",), exceptions=("files__write",), action=Action.ALLOW)

    def rules_for(tool: str) -> tuple[str, ...]:
        return judged(held, allowed, tool=tool, upstream="files").rules

    assert rules_for("files__read") == ("all but writes",)
    assert rules_for("files__Read") == ("all but reads", "all but writes")
    assert rules_for("files__write") == rules_for("files__WRITE") == ("all but reads",)


def test_a_look_alike_of_an_agent_is_not_allowed_and_is_held() -> None:
    allow, hold = replace(ALLOW, agents=("billing",)), replace(HOLD, agents=("bill*",))
    assert judged(allow).rules == ("allow",)
    assert judged(allow, hold, agent="Billing").rules == ("hold",)
    assert judged(allow, hold, agent="other").rules == ()


def test_a_rule_for_a_workflow_is_for_agents_that_were_given_it() -> None:
    allow, hold = replace(ALLOW, workflows=("pay*",)), replace(HOLD, workflows=("pay*",))
    assert judged(allow, given="payments").action is Action.ALLOW
    assert judged(allow, given="Payments").rules == ()
    assert judged(hold, given="Payments").rules == ("hold",)
    assert judged(allow, hold, given=None).rules == ()


def test_a_rule_from_some_risk_upwards_governs_no_call_because_calls_claim_none() -> None:
    assert judged(replace(ALLOW, risk=Risk.LOW)).rules == ("allow",)
    assert judged(replace(ALLOW, risk=Risk.MEDIUM), replace(HOLD, risk=Risk.HIGH)).rules == ()


def test_a_rule_without_tools_is_for_questions_only() -> None:
    assert judged(Rule("questions"), Rule("never", action=Action.DENY)) == BY_DEFAULT


@pytest.mark.parametrize(
    ("tool", "rule"),
    [("payments:resources", "payments:*"), ("payments:prompts/send", "*:prompts/*"), ("payments:prompts/x", "*")],
)
def test_prompts_and_resources_have_names_of_their_own(tool: str, rule: str) -> None:
    assert judged(Rule("r", tools=(rule,), action=Action.ALLOW), tool=tool).action is Action.ALLOW
    assert judged(Rule("r", tools=("payments__*",), action=Action.ALLOW), tool=tool) == BY_DEFAULT


def test_arguments_narrow_a_rule() -> None:
    allow, hold = replace(ALLOW, arguments=SMALL), replace(HOLD, arguments=(Matcher("amount", (Check(Op.GT, 50),)),))
    assert judged(allow).action is Action.ALLOW
    assert judged(allow, arguments={"amount": 501}) == BY_DEFAULT
    assert judged(allow, hold).rules == ("allow", "hold")
    assert judged(allow, hold, arguments={"amount": 50}).rules == ("allow",)


def test_a_rule_for_no_other_arguments_is_for_no_call_that_has_some() -> None:
    allow = replace(ALLOW, arguments=SMALL, no_other_arguments=True)
    assert judged(allow, arguments={"amount": 60}).action is Action.ALLOW
    assert judged(allow, arguments={"amount": 60, "to": "Mallory"}) == BY_DEFAULT
    # A further argument is a clear no, whatever else cannot be judged.
    assert judged(allow, arguments={"amount": "60", "to": "Mallory"}) == BY_DEFAULT


@pytest.mark.parametrize(
    ("rule", "action"), [(ALLOW, Action.HOLD), (NOTICE, Action.HOLD), (HOLD, Action.HOLD), (DENY, Action.DENY)]
)
@pytest.mark.parametrize("narrow", [{"arguments": SMALL}, {"when": "args.amount < 500"}])
def test_a_rule_that_errs_matches_and_at_least_holds(rule: Rule, action: Action, narrow: dict[str, Any]) -> None:
    verdict = judged(replace(rule, **narrow), arguments={"amount": "60"})
    assert (verdict.action, verdict.rules, verdict.spends) == (action, (rule.name,), ())
    (reason,) = verdict.reasons
    assert reason.startswith(f"the rule {rule.name!r} could not be judged: ")
    assert verdict.conditions == ((condition("hold"),) if rule is HOLD else ())
    assert (verdict.denied is not None) == (action is Action.DENY)


def test_a_rule_that_errs_outweighs_one_that_allows() -> None:
    erring = replace(ALLOW, name="erring", when="args.missing")
    for rules in permutations([ALLOW, erring]):
        assert judged(*rules).action is Action.HOLD


def test_a_clear_no_is_a_no_whatever_else_errs() -> None:
    by_amount, by_text = SMALL[0], Matcher("currency", (Check(Op.EQ, "USD"),))
    for matchers in permutations([by_amount, by_text]):
        assert judged(replace(DENY, arguments=matchers), arguments={"amount": "x", "currency": "EUR"}) == BY_DEFAULT
    assert judged(replace(DENY, arguments=(by_amount,), when="false"), arguments={"amount": "x"}) == BY_DEFAULT
    late = hours_of("20:00-22:00")
    assert judged(replace(DENY, when="args.missing", hours=(late,))) == BY_DEFAULT


def test_conditions_see_the_call_its_agent_and_the_time() -> None:
    when = "tool == 'payments__send' && agent == 'billing' && workflow == 'pay' && now.getHours() == 9"
    assert judged(replace(ALLOW, when=when), given="pay").action is Action.ALLOW
    assert judged(replace(ALLOW, when=when)).rules == ()


def test_hours_narrow_a_rule() -> None:
    allow = replace(ALLOW, hours=(hours_of("mon 08:00-10:00"), hours_of("fri 08:00-10:00")))
    assert judged(allow).action is Action.ALLOW
    assert judged(allow, at=MONDAY.replace(hour=10)) == BY_DEFAULT


BUDGET = Budget("amount", 86_400, 100_000_000)
SPEND = Spend("allow#0", None, 86_400, 60_000_000, 100_000_000)


def spent(*rules: Rule, already: int, **more: Any) -> Verdict:
    return judge(policy(*rules), replace(CALLED, **more), given=None, spent=lambda _: already)


def test_within_its_budget_a_rule_allows_and_says_what_the_call_takes() -> None:
    allow = replace(ALLOW, budgets=(BUDGET,))
    assert spent(allow, already=40_000_000) == Verdict(
        Action.ALLOW, ("allow",), (), spends=(SPEND,), policy_sha256="the hash"
    )


def test_over_its_budget_a_rule_holds_and_takes_nothing() -> None:
    reason = "the rule 'allow' allows up to 100 of amount a day, and this would be more"
    assert spent(replace(ALLOW, budgets=(BUDGET,)), already=40_000_001) == Verdict(
        Action.HOLD, ("allow",), (reason,), policy_sha256="the hash"
    )


def test_every_budget_of_every_rule_that_permits_is_taken() -> None:
    rate = Budget(None, 60, 10_000_000, each_agent=True)
    verdict = spent(
        sending("ALLOW", Action.ALLOW, budgets=(BUDGET, rate)),
        replace(NOTICE, budgets=(rate,)),
        already=0,
    )
    assert verdict.action is Action.NOTICE
    assert verdict.spends == (
        SPEND,
        Spend("allow#1", "billing", 60, 1_000_000, 10_000_000),
        Spend("notice#0", "billing", 60, 1_000_000, 10_000_000),
    )


def test_one_budget_that_is_used_up_is_enough() -> None:
    verdict = judge(
        policy(replace(ALLOW, budgets=(BUDGET,)), replace(NOTICE, budgets=(Budget(None, 60, 1_000_000),))),
        CALLED,
        given=None,
        spent=lambda spend: 1_000_000 if spend.rule_key == "notice#0" else 0,
    )
    reason = "the rule 'notice' allows up to 1 call a minute, and this would be more"
    assert (verdict.action, verdict.reasons, verdict.spends) == (Action.HOLD, (reason,), ())


@pytest.mark.parametrize("amount", ["60", -1, None, True, [60]])
def test_an_amount_that_cannot_be_counted_is_held(amount: Any) -> None:
    verdict = judged(replace(ALLOW, budgets=(BUDGET,)), arguments={"amount": amount})
    assert (verdict.action, verdict.spends) == (Action.HOLD, ())


def test_what_is_held_takes_of_no_budget_and_what_is_denied_asks_none() -> None:
    allow = replace(ALLOW, budgets=(BUDGET,))
    assert judged(allow, HOLD).spends == ()

    def asked(_: Spend) -> int:
        raise AssertionError("no budget matters here")

    assert judge(policy(allow, DENY), CALLED, given=None, spent=asked).action is Action.DENY


def test_rules_that_were_found_once_are_found_again_and_never_for_another_name() -> None:
    rules = policy(ALLOW, HOLD, Rule("files", tools=("files__*",)))
    for _ in range(2):
        assert rules.rules_for("payments__send") == (ALLOW, HOLD)
        assert [rule.name for rule in rules.rules_for("files__x")] == ["files"]
        assert rules.rules_for("PAYMENTS__send") == (HOLD,)


def test_names_without_end_are_not_remembered_without_end() -> None:
    rules = policy(ALLOW)
    for number in range(5000):
        rules.rules_for(f"payments__{number}")
    assert len(rules._by_tool) <= 4096
    assert rules.rules_for("payments__send") == (ALLOW,)


values = st.sampled_from([0, 60, 501, "60", None, True, [1], {"a": 1}])
matchers = st.lists(
    st.builds(
        Matcher,
        st.sampled_from(["amount", "to.amount"]),
        st.sampled_from(
            [(Check(Op.GT, 50),), (Check(Op.LE, 500),), (Check(Op.IN, (60, "60")),), (Check(Op.EXISTS, False),)]
        ),
    ),
    max_size=2,
).map(tuple)
rules = st.builds(
    Rule,
    st.text("abc", min_size=1, max_size=3),
    tools=st.sampled_from([("*",), ("payments__*",), ("payments__send",), ("files__*",)]),
    exceptions=st.sampled_from([(), ("files__*",)]),
    agents=st.sampled_from([(), ("billing",), ("Bill*",)]),
    action=st.sampled_from(Action),
    arguments=matchers,
)


@given(st.lists(rules, max_size=4), rules, st.dictionaries(st.sampled_from(["amount", "to", "to.amount"]), values))
def test_one_more_rule_that_holds_or_denies_never_loosens_a_verdict(
    some: list[Rule], more: Rule, arguments: dict[str, Any]
) -> None:
    if more.action.permits:
        return
    before, after = judged(*some, arguments=arguments), judged(*some, more, arguments=arguments)
    assert after.action.strictness >= before.action.strictness
    assert set(before.conditions) <= set(after.conditions) or after.action is Action.DENY


@given(st.lists(rules, max_size=4), st.dictionaries(st.sampled_from(["amount", "to", "to.amount"]), values))
def test_nothing_runs_that_no_rule_allows(some: list[Rule], arguments: dict[str, Any]) -> None:
    named = {str(number): replace(rule, name=str(number)) for number, rule in enumerate(some)}
    verdict = judged(*named.values(), arguments=arguments)
    if verdict.action.permits:
        assert verdict.rules
        assert all(named[name].action.permits for name in verdict.rules)
    assert (verdict.action is Action.DENY) == (verdict.denied is not None)


def own(*rules: Rule, tool: str = "claude_code:Bash", **more: Any) -> Verdict:
    called = Called(tool, "claude_code", {"command": "ls"}, "bot", MONDAY)
    return judge(policy(*rules, **more), called, given=None, spent=nothing)


def test_tools_of_a_clients_own_need_no_upstream_and_match_by_name_like_any_other() -> None:
    assert own() == BY_DEFAULT
    assert own(default=Action.DENY).action is Action.DENY
    assert own(Rule("shell", tools=("claude_code:*",), action=Action.ALLOW)).action is Action.ALLOW
    assert own(Rule("shell", tools=("CLAUDE_CODE:bash",), action=Action.DENY)).action is Action.DENY
    assert own(Rule("shell", tools=("CLAUDE_CODE:bash",), action=Action.ALLOW)) == BY_DEFAULT
    assert own(Rule("other", tools=("codex:*", "*__*"), action=Action.ALLOW)) == BY_DEFAULT


def test_what_claims_to_be_of_a_client_and_is_none_is_denied() -> None:
    called = Called("mallory:Bash", "mallory", {}, "bot", MONDAY)
    everything = Rule("all", tools=("*",), action=Action.ALLOW)
    assert judge(policy(everything), called, given=None, spent=nothing).action is Action.DENY


def test_a_rule_that_is_over_matches_nothing() -> None:
    before, after = until_of("2026-11-23T09:01Z"), until_of("2026-11-23T09:00Z")
    assert judged(replace(ALLOW, until=before)).action is Action.ALLOW
    assert judged(replace(ALLOW, until=after)) == BY_DEFAULT
    assert judged(ALLOW, replace(DENY, until=before)).action is Action.DENY
    assert judged(ALLOW, replace(DENY, until=after)).rules == ("allow",)
    assert judged(replace(ALLOW, until=until_of("2026-11-23"))).action is Action.ALLOW
    assert judged(replace(ALLOW, until=until_of("2026-11-22"))) == BY_DEFAULT


def test_a_rule_that_is_over_is_no_match_whatever_cannot_be_judged() -> None:
    erring = sending("odd", Action.DENY, arguments=(Matcher("currency", (Check(Op.GT, 5),)),))
    assert judged(erring).action is Action.DENY
    assert judged(replace(erring, until=until_of("2026-11-22"))) == BY_DEFAULT
