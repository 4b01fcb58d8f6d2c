"""A log in which a call runs that nothing let run, or not as it was let, is refused by the entry that says so."""

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest

from store.audit.events import (
    AccountAdded,
    AgentAdded,
    ArgumentsEdited,
    CallDenied,
    CallEnd,
    CallEnded,
    CallIntended,
    Concealed,
    DefinitionAccepted,
    DefinitionSeen,
    Event,
    Permission,
    PolicyActivated,
    Reference,
    RequestClosed,
    RequestOpened,
    RequestShown,
    RequestVoted,
    ServerStarted,
    ServerStopped,
    TextErased,
    UpstreamRestarted,
)
from store.audit.verify import LogFault
from store.canonical_json import canonical_text
from store.lifecycle import Kind, Outcome, Surface, meaning
from store.policy.demands import condition_of
from store.policy.reading import read, sha256_of
from tests.store.audit.examples import Log, Writer, written

RULES = """version: 1
upstreams:
  files: {command: files-server}
  pay: {command: pay-server}
rules:
  - {name: reads, tool: files__read, action: allow}
  - {name: writes, tool: files__write, action: notice}
  - {name: notes, tool: 'files:resources', action: allow}
  - {name: small, tool: pay__send, args: {amount: {gt: 0, le: 10}}, action: allow}
  - {name: large, tool: pay__send, args: {amount: {gt: 10}}, action: hold, not_owner: true, timeout: 60s}
  - {name: never, tool: pay__drop, action: deny, reason: No.}
"""
LARGE = json.loads(json.dumps(asdict(condition_of(read(RULES), read(RULES).rules[4]))))
READ, WRITE, SEND, DROP = "files__read", "files__write", "pay__send", "pay__drop"
D1, D2 = "1" * 64, "2" * 64


def setting(writer: Writer, rules: str | None = RULES) -> None:
    """Rules in force, and four definitions that were accepted with them."""
    if rules is not None:
        activate(writer, rules)
    for name in (READ, WRITE, SEND, DROP):
        seen(writer, name, accepted=True)


def activate(writer: Writer, rules: str) -> None:
    writer.write(PolicyActivated(sha256_of(rules), Concealed(rules), "command_line", None))


def seen(writer: Writer, name: str, sha256: str = D1, *, accepted: bool) -> None:
    writer.write(DefinitionSeen(Concealed(name), Concealed(sha256), accepted=accepted))


def accepted(writer: Writer, name: str, sha256: str = D1, reviewer: str | None = "rev_1") -> None:
    writer.write(DefinitionAccepted(Concealed(name), Concealed(sha256), reviewer))


def intend(
    writer: Writer,
    tool: str = READ,
    arguments: dict[str, Any] | None = None,
    *,
    call: str = "call_1",
    permission: Permission = Permission.ALLOWED,
    request: str | None = None,
    definition: str | None = D1,
    rules: str = RULES,
    agent: str = "agt_1",
) -> None:
    writer.write(
        CallIntended(
            call=call,
            agent=agent,
            permission=permission,
            request=request,
            tool=Concealed(tool),
            arguments=Concealed(canonical_text(arguments or {})),
            definition=None if definition is None else Concealed(definition),
            rules=Concealed("[]"),
            policy_sha256=sha256_of(rules),
        )
    )


def end(writer: Writer, call: str = "call_1", how: CallEnd = CallEnd.RETURNED) -> None:
    result = Concealed("0" * 64) if how is CallEnd.RETURNED else None
    writer.write(CallEnded(call, how, is_error=False, milliseconds=5, result_bytes=2, result=result))


def card_of(
    writer: Writer,
    amount: float,
    *,
    conditions: list[dict[str, Any]] | None = None,
    asked: float | None = None,
    tool: str = SEND,
    seconds: int = 60,
    rules: str = RULES,
) -> dict[str, Any]:
    expires_at = writer.now + timedelta(seconds=seconds)
    return {
        "request_id": "req_1",
        "kind": "call",
        "owner": None,
        "expires_at": expires_at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "question": {
            "upstream": "pay",
            "method": "tool",
            "name": "send",
            "tool": tool,
            "arguments": {"amount": amount},
            "definition_sha256": D1,
            "asked_arguments": None if asked is None else {"amount": asked},
        },
        "buttons": [{"id": "run", "approves": True}, {"id": "refuse", "approves": False}],
        "conditions": [LARGE] if conditions is None else conditions,
        "policy_sha256": sha256_of(rules),
    }


def hold(writer: Writer, amount: float = 500, **more: Any) -> Reference:
    card = card_of(writer, amount, **more)
    expires_at = writer.now + timedelta(seconds=more.get("seconds", 60))
    opened = RequestOpened(
        "req_1", Kind.CALL, "agt_1", Concealed(canonical_text(card)), Concealed("print"), expires_at, None
    )
    return writer.write(opened).references["card"]


def show(writer: Writer, card: Reference) -> None:
    writer.write(RequestShown("req_1", "rev_1", card, Surface.RENDERED_PAGE))


def close(writer: Writer, card: Reference, *, run: bool = True) -> None:
    writer.write(
        RequestClosed(
            "req_1",
            Outcome.ANSWERED,
            run,
            meaning(Kind.CALL, Outcome.ANSWERED, may_proceed=run),
            card,
            reviewer="rev_1",
            authenticated_by="password",
            surface=Surface.RENDERED_PAGE,
            answer=Concealed(json.dumps({"decision": "run" if run else "refuse", "approved": run})),
        )
    )


def approve(writer: Writer, amount: float = 500, **more: Any) -> None:
    card = hold(writer, amount, **more)
    show(writer, card)
    close(writer, card)


def run(writer: Writer, amount: float = 500, **more: Any) -> None:
    more = {"permission": Permission.APPROVED, "request": "req_1", **more}
    intend(writer, more.pop("tool", SEND), {"amount": amount}, **more)


def edit(writer: Writer, before: Reference, amount: float = 400, *, asked: float = 500, **more: Any) -> Reference:
    seconds = more.pop("seconds", 50)
    card = card_of(writer, amount, asked=asked, seconds=seconds, **more)
    return writer.write(
        ArgumentsEdited(
            "req_1",
            "rev_1",
            "password",
            Surface.RENDERED_PAGE,
            Concealed(canonical_text(card)),
            before,
            writer.now + timedelta(seconds=seconds),
        )
    ).references["card"]


def later(writer: Writer, **by: float) -> None:
    writer.now += timedelta(**by)


Part = Callable[[Writer], object]


def log_of(*parts: Part) -> Log:
    return written(setting, *parts)


def refuse(log: Log, what: str, index: int | None = None) -> None:
    """Refused by its last entry, unless told otherwise."""
    with pytest.raises(LogFault, match=what) as fault:
        log.verified()
    assert fault.value.index == (len(log.entries) - 1 if index is None else index)


@pytest.mark.parametrize(
    "parts",
    [
        (intend, end),
        (lambda w: intend(w, WRITE, permission=Permission.NOTICED), lambda w: end(w, how=CallEnd.FAILED)),
        (lambda w: intend(w, SEND, {"amount": 10}), lambda w: end(w, how=CallEnd.CANCELLED)),
        (lambda w: intend(w, "files:resources", {"uri": "test://a"}, definition=None), end),
        (intend, lambda w: intend(w, call="call_2"), end),
        (approve, run, end),
        (approve, lambda w: later(w, minutes=9), run, end),
        (approve, lambda w: activate(w, RULES + "\n# later\n"), lambda w: run(w, rules=RULES + "\n# later\n")),
        (lambda w: approve(w, 5, conditions=[]), lambda w: run(w, 5)),
        (lambda w: seen(w, READ, D2, accepted=False), lambda w: seen(w, READ, D1, accepted=True), intend),
        (
            lambda w: seen(w, READ, D2, accepted=False),
            lambda w: accepted(w, READ, D2),
            lambda w: intend(w, definition=D2),
        ),
        (
            lambda w: seen(w, "files__new", accepted=False),
            lambda w: accepted(w, "files__new", reviewer=None),
        ),
        (
            intend,
            lambda w: w.write(ServerStarted("1", "srv_2", clean=False)),
            lambda w: end(w, how=CallEnd.UNKNOWN),
        ),
        (intend, lambda w: end(w, how=CallEnd.UNKNOWN), lambda w: w.write(ServerStopped("srv_1"))),
        (lambda w: w.write(CallDenied("agt_1", Concealed("x"), Concealed("y"), None, 3, sha256_of(RULES))),),
    ],
)
def test_what_rules_and_people_let_run_follows(parts: tuple[Part, ...]) -> None:
    log = log_of(*parts)
    log.verified()
    log.verified(disclosures=None)


@pytest.mark.parametrize(
    ("parts", "what"),
    [
        ((lambda w: intend(w, SEND, {"amount": 11}),), "the rules say hold to it, and it is sent"),
        ((lambda w: intend(w, SEND, {"amount": "11"}),), "the rules say hold to it, and it is sent"),
        ((lambda w: intend(w, DROP),), "the rules say deny to it, and it is sent"),
        ((lambda w: intend(w, WRITE),), "the rules say notice to it, and it is sent"),
        ((lambda w: intend(w, permission=Permission.NOTICED),), "the rules say allow to it, and it is sent"),
        ((lambda w: intend(w, "other__read"),), "the rules say deny to it, and it is sent"),
        ((lambda w: intend(w, rules="version: 1"),), "by rules that are not in force"),
        ((lambda w: intend(w, request="req_1"),), "and it names a request"),
        ((intend, intend), "call_1 is sent twice"),
        ((end,), "call_1 was not sent, or has ended before"),
        ((intend, end, end), "call_1 was not sent, or has ended before"),
        ((intend, lambda w: w.write(ServerStarted("1", "srv_2", clean=False)), end), "had ended"),
        ((run,), "nobody approved req_1, or it has run before"),
        ((approve, run, lambda w: run(w, call="call_2")), "nobody approved req_1, or it has run before"),
        ((hold, run), "nobody approved req_1"),
        ((approve, lambda w: run(w, request=None)), "nobody approved None"),
        ((approve, lambda w: run(w, 501)), "what is sent is not what the card of req_1 shows"),
        ((approve, lambda w: run(w, tool=READ)), "what is sent is not what the card of req_1 shows"),
        ((approve, lambda w: later(w, minutes=10), run), "the approval of req_1 has lapsed"),
        (
            (
                lambda w: w.write(AgentAdded("agt_2", Concealed("other"), None, None)),
                approve,
                lambda w: run(w, agent="agt_2"),
            ),
            "req_1 is another agent's",
        ),
        (
            (approve, lambda w: seen(w, SEND, D2, accepted=False), lambda w: run(w, definition=D2)),
            "what is sent is not what the card of req_1 shows",
        ),
        ((approve, lambda w: seen(w, SEND, D2, accepted=False), run), "'pay__send' is not defined as the call says"),
        ((lambda w: hold(w, conditions=[]),), "does not ask what the rule 'large' asks"),
        ((lambda w: hold(w, seconds=61),), "is open for longer than its rules allow"),
        ((lambda w: hold(w, tool=DROP),), "is asked, which its rules deny"),
        ((lambda w: intend(w, definition=D2),), "'files__read' is not defined as the call says"),
        ((lambda w: intend(w, definition=None),), "and names no definition"),
        ((lambda w: intend(w, "files:resources", {"uri": "a"}),), "has no definition"),
        ((lambda w: intend(w, "files__other"),), "the rules say hold to it"),
        ((lambda w: seen(w, READ, D2, accepted=True),), "whether 'files__read' is as it was accepted"),
        ((lambda w: seen(w, "gone__read", accepted=True),), "of an upstream that the rules in force do not name"),
        ((lambda w: accepted(w, READ, D2),), "what it accepts is not how 'files__read' is defined"),
        ((lambda w: accepted(w, "files__other"),), "no entry before it defines 'files__other'"),
        ((lambda w: accepted(w, READ, reviewer="rev_2"),), "rev_2 is no admin"),
        ((lambda w: w.write(UpstreamRestarted(Concealed("files"), "rev_2")),), "rev_2 is no admin"),
        (
            (lambda w: w.write(CallDenied("agt_1", Concealed("x"), Concealed("y"), None, 0, sha256_of(RULES))),),
            "nothing",
        ),
        ((lambda w: w.write(CallDenied("agt_1", Concealed("x"), Concealed("y"), None, 1, None)),), "not in force"),
    ],
)
def test_what_nothing_let_run_is_refused(parts: tuple[Part, ...], what: str) -> None:
    refuse(log_of(*parts), what)


def test_a_changed_definition_is_let_through_by_people_only() -> None:
    changed: tuple[Part, ...] = (lambda w: seen(w, READ, D2, accepted=False), lambda w: intend(w, definition=D2))
    refuse(log_of(*changed), "its definition is not as it was accepted")
    refuse(log_of(changed[0], intend), "is not defined as the call says")


def test_a_new_definition_is_let_through_by_nobody() -> None:
    rules = RULES.replace("files__read,", "'files__*',")

    def new(writer: Writer) -> None:
        activate(writer, rules)
        seen(writer, "files__new", accepted=False)
        intend(writer, "files__new", rules=rules)

    refuse(log_of(new), "nobody accepted a definition of 'files__new'")


def test_rules_that_came_into_force_after_an_approval_count() -> None:
    strict = RULES.replace("amount: {gt: 10}}, action: hold", "amount: {gt: 10}}, action: hold, reviewers: [eve]")
    denied = RULES + "  - {name: frozen, tool: 'pay__*', action: deny, reason: No.}\n"
    for rules, what in ((strict, "does not ask what the rule 'large' asks"), (denied, "the rules deny what req_1 is")):

        def stricter(writer: Writer, rules: str = rules) -> None:
            activate(writer, rules)
            run(writer, rules=rules)

        refuse(log_of(approve, stricter), what)


def test_what_returned_has_a_result_and_nothing_else_has() -> None:
    log = log_of(intend, end)
    with pytest.raises(LogFault, match="a result belongs to what returned"):
        log.changed(log.index("call_ended"), end="failed").verified(disclosures=None)
    with pytest.raises(LogFault, match="less than nothing"):
        log.changed(log.index("call_ended"), milliseconds=-1).verified()


def test_before_there_are_rules_nothing_runs_and_nothing_is_listed() -> None:
    refuse(written(lambda w: seen(w, READ, accepted=True)), "no rules are in force")
    log = written(lambda w: intend(w)).changed(6, policy_sha256=None)
    refuse(log, "no rules are in force")


def test_budgets_are_not_counted_again() -> None:
    rules = RULES.replace("args: {amount: {gt: 0, le: 10}}", "budget: {sum: args.amount, per: day, max: 10}")

    def spend(writer: Writer, call: str, amount: float) -> None:
        intend(writer, SEND, {"amount": amount}, call=call, rules=rules)

    parts: tuple[Part, ...] = (lambda w: spend(w, "call_1", 10), lambda w: spend(w, "call_2", 10))
    written(lambda w: setting(w, rules), *parts).verified()
    refuse(written(lambda w: setting(w, rules), lambda w: spend(w, "call_1", 11)), "the rules say hold to it")


def edited(*parts: Callable[[Writer, Reference, Reference], object], **more: Any) -> Log:
    """A log in which a held call of 500 was edited after it was shown; `parts` are given the cards, old and new."""

    def part(writer: Writer) -> None:
        before = hold(writer)
        show(writer, before)
        after = edit(writer, before, **more)
        for one in parts:
            one(writer, before, after)

    return log_of(part)


def test_an_edited_call_runs_as_its_new_card_shows() -> None:
    log = edited(
        lambda w, _, c: show(w, c), lambda w, _, c: close(w, c), lambda w, *_: run(w, 400), lambda w, *_: end(w)
    )
    log.verified()
    log.verified(disclosures=None)
    refuse(
        edited(lambda w, _, c: show(w, c), lambda w, _, c: close(w, c), lambda w, *_: run(w, 500)),
        "what is sent is not what the card of req_1 shows",
    )


def test_an_edit_that_needs_nobody_more_drops_what_the_rules_asked_before() -> None:
    edited(
        lambda w, _, c: show(w, c), lambda w, _, c: close(w, c), lambda w, *_: run(w, 5), amount=5, conditions=[]
    ).verified()


@pytest.mark.parametrize(
    ("part", "what"),
    [
        (lambda w, _, after: close(w, after), "was not shown it"),
        (lambda w, before, _: show(w, before), "what was shown is not the card"),
        (lambda w, before, _: close(w, before), "what was closed is not the card"),
        (lambda w, before, _: edit(w, before, 300), "what was edited is not the card"),
        (lambda w, _, after: edit(w, after, 300), "was not shown it"),
    ],
)
def test_what_was_shown_of_the_card_before_counts_for_nothing(
    part: Callable[[Writer, Reference, Reference], object], what: str
) -> None:
    refuse(edited(part), what)


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"asked": 501}, "holds another call"),
        ({"tool": DROP}, "is asked, which its rules deny"),
        ({"conditions": []}, "does not ask what the rule 'large' asks"),
        ({"seconds": 60}, "is open for longer"),
        ({"rules": "version: 1"}, "not made by the rules in force"),
    ],
)
def test_a_card_that_an_edit_must_not_make_is_refused(more: dict[str, Any], what: str) -> None:
    refuse(edited(**more), what)


def test_only_held_calls_are_edited_and_only_by_whom_they_were_shown_to() -> None:
    refuse(log_of(lambda w: edit(w, hold(w))), "was not shown it")
    log = log_of(lambda w: show(w, hold(w)))
    index = log.index("request_opened")
    other = log.changed(index, kind="approval")
    refuse(other, "its card is another request's", index)


def test_several_can_vote_on_a_held_call() -> None:
    two = RULES.replace("not_owner: true", "not_owner: true, approvals: 2")
    asks = json.loads(json.dumps(asdict(condition_of(read(two), read(two).rules[4]))))

    def part(writer: Writer, *, enough: bool) -> None:
        card = hold(writer, conditions=[asks], rules=two)
        show(writer, card)
        writer.write(RequestShown("req_1", "rev_3", card, Surface.RENDERED_PAGE))
        if enough:
            writer.write(
                RequestVoted("req_1", "rev_3", "password", Surface.RENDERED_PAGE, card, Concealed('{"decision":"run"}'))
            )
        close(writer, card)
        run(writer, rules=two)

    people: Event = AccountAdded("rev_3", "reviewer", Concealed("ben"), Concealed("Ben"))
    written(lambda w: w.write(people), lambda w: setting(w, two), lambda w: part(w, enough=True)).verified()
    log = written(lambda w: w.write(people), lambda w: setting(w, two), lambda w: part(w, enough=False))
    refuse(log, "not by enough people", log.index("request_closed"))


def test_where_texts_were_erased_what_depends_on_them_is_not_checked() -> None:
    log = log_of(lambda w: intend(w, DROP, definition=D2), lambda w: run(w, call="call_2"))
    with pytest.raises(LogFault, match="nobody approved req_1"):
        log.verified(disclosures=None)


OWN_RULES = RULES + "  - {name: looks, tool: 'claude_code:Read', action: allow}\n"
OWN_RULES += "  - {name: no shell, tool: 'claude_code:Shell', action: deny, reason: No.}\n"


def own_call(writer: Writer, tool: str = "claude_code:Read", **more: Any) -> None:
    activate(writer, OWN_RULES)
    intend(writer, tool, **{"definition": None, "rules": OWN_RULES} | more)


def let_go(writer: Writer, how: CallEnd = CallEnd.RELEASED) -> None:
    end(writer, how=how)


def test_tools_of_a_clients_own_are_let_run_by_rules_and_released() -> None:
    log = log_of(own_call, let_go)
    log.verified()
    log.verified(disclosures=None)


@pytest.mark.parametrize("name", ["claude_code:resources", "claude_code:prompts/x", "codex:a__b"])
def test_a_tool_of_a_clients_own_may_be_called_anything(name: str) -> None:
    rules = RULES + f"  - {{name: own, tool: '{name}', action: allow}}\n"

    def call(writer: Writer) -> None:
        activate(writer, rules)
        intend(writer, name, definition=None, rules=rules)

    log_of(call, let_go).verified()


def test_where_the_rules_were_erased_a_name_like_a_clients_may_be_an_upstreams() -> None:
    rules = RULES.replace("upstreams:", "upstreams:\n  codex: {command: codex-server}", 1)
    rules += "  - {name: of codex, tool: 'codex:resources', action: allow}\n"

    def read(writer: Writer) -> None:
        activate(writer, rules)
        intend(writer, "codex:resources", {"uri": "a"}, definition=None, rules=rules)

    def erase(writer: Writer) -> None:
        (text,) = (one for entry in writer.entries for one in entry.disclosures if one.text == rules)
        (reference,) = (one.references["policy"] for one in writer.entries if text in one.disclosures)
        writer.write(TextErased(reference))

    log_of(read, end).verified()
    log = log_of(read, end, erase)
    log.verified(disclosures=[(index, one) for index, one in log.texts if one.text != rules])
    refuse(log_of(read, let_go), "is released to it, and no other call is")


def own_approved(writer: Writer, rules: str | None = None, tool: str = "claude_code:Bash") -> None:
    """People let one run; where no rules are in force, `rules` is None."""
    card = card_of(writer, 5, conditions=[], tool=tool)
    card["question"] |= {"upstream": "claude_code", "method": "own", "name": "Bash", "definition_sha256": None}
    card["policy_sha256"] = None if rules is None else sha256_of(rules)
    expires_at = writer.now + timedelta(seconds=60)
    opened = RequestOpened(
        "req_1", Kind.CALL, "agt_1", Concealed(canonical_text(card)), Concealed("print"), expires_at, None
    )
    shown = writer.write(opened).references["card"]
    show(writer, shown)
    close(writer, shown)


def own_run(writer: Writer, amount: float = 5, rules: str | None = None, tool: str = "claude_code:Bash") -> None:
    writer.write(
        CallIntended(
            call="call_1",
            agent="agt_1",
            permission=Permission.APPROVED,
            request="req_1",
            tool=Concealed(tool),
            arguments=Concealed(canonical_text({"amount": amount})),
            definition=None,
            rules=Concealed("[]"),
            policy_sha256=None if rules is None else sha256_of(rules),
        )
    )


def test_where_no_rules_are_in_force_people_let_a_clients_own_tool_run() -> None:
    log = written(own_approved, own_run, let_go)
    log.verified()
    log.verified(disclosures=None)


def test_where_no_rules_are_in_force_nothing_else_is_let_run() -> None:
    with pytest.raises(LogFault, match="no rules are in force"):
        written(lambda w: own_approved(w, tool=SEND), lambda w: own_run(w, tool=SEND)).verified()
    unasked = CallIntended(
        "call_1",
        "agt_1",
        Permission.ALLOWED,
        None,
        tool=Concealed("claude_code:Read"),
        arguments=Concealed("{}"),
        definition=None,
        rules=Concealed("[]"),
        policy_sha256=None,
    )
    with pytest.raises(LogFault, match="no rules are in force"):
        written(lambda w: w.write(unasked)).verified()


@pytest.mark.parametrize(
    ("parts", "what"),
    [
        ((own_call, lambda w: let_go(w, CallEnd.RETURNED)), "is released to it, and no other call is"),
        ((own_call, lambda w: let_go(w, CallEnd.UNKNOWN)), "is released to it, and no other call is"),
        ((intend, let_go), "is released to it, and no other call is"),
        ((lambda w: intend(w, "files:resources", {"uri": "a"}, definition=None), let_go), "and no other call is"),
        ((lambda w: own_call(w, "claude_code:Bash"),), "the rules say hold to it, and it is sent"),
        ((lambda w: own_call(w, "claude_code:Shell"),), "the rules say deny to it, and it is sent"),
        ((lambda w: own_call(w, "mallory:Read"),), "the rules say deny to it, and it is sent"),
        ((lambda w: own_approved(w, RULES), lambda w: own_run(w, 6, RULES)), "is not what the card of req_1 shows"),
        (
            (lambda w: own_approved(w, RULES), lambda w: own_run(w, rules=RULES, tool="claude_code:Shell")),
            "is not what the card of req_1 shows",
        ),
        (
            (
                lambda w: own_approved(w, RULES),
                lambda w: activate(w, OWN_RULES.replace("'claude_code:Shell'", "'claude_code:*'")),
                lambda w: own_run(w, rules=OWN_RULES.replace("'claude_code:Shell'", "'claude_code:*'")),
            ),
            "the rules deny what req_1 is about",
        ),
    ],
)
def test_a_clients_own_tool_that_nothing_let_run_is_refused(parts: tuple[Part, ...], what: str) -> None:
    refuse(log_of(*parts), what)
