"""What rules say of calls, in lines for people and in values for programs."""

from dataclasses import asdict

from store.calls.explaining import Explanation
from store.policy.budgets import amount
from store.policy.demands import Condition
from store.policy.replay import Replay, Replayed
from store.policy.rules import Action
from store.policy.upstreams import Upstream
from store.policy.verdicts import Spend, Verdict
from store.policy.words import duration, what_is_asked
from store.strict_json import shortened

MOST_LISTED = 20
_NOW = {
    Action.ALLOW: "runs, and nobody is asked",
    Action.NOTICE: "runs, and a person may watch",
    Action.HOLD: "held until people decide",
    Action.DENY: "denied",
}
_THEN = {Action.ALLOW: "ran", Action.NOTICE: "ran, watched", Action.HOLD: "held", Action.DENY: "denied"}
_WOULD = {
    Action.ALLOW: "would run",
    Action.NOTICE: "would run, watched",
    Action.HOLD: "would be held",
    Action.DENY: "would be denied",
}


def explained(found: Explanation) -> list[str]:
    """What would become of one call, a line for each thing to know."""
    if found.wrong:
        faults = "; ".join(f"{fault.field} {fault.message}" for fault in found.wrong)
        return [f"turned away before any rule is looked at: {faults}"]
    lines = _verdict(found.verdict)
    alone = found.by_rules
    if alone is not None and alone.action is not found.verdict.action:
        lines.append(f"by the rules alone: {_NOW[alone.action]}{_because(alone)}")
    return lines


def explanation_data(found: Explanation) -> dict[str, object]:
    return {
        "tool": found.tool,
        "upstream": found.upstream,
        "workflow": found.workflow,
        "wrong": [{"field": fault.field, "message": fault.message} for fault in found.wrong],
        **_verdict_data(found.verdict),
        "by_rules": None if found.by_rules is None else _verdict_data(found.by_rules),
    }


def replayed(replay: Replay) -> list[str]:
    """What other rules would have done, the looser first, and the newest calls that would have gone otherwise."""
    if not replay.calls:
        return ["there are no recorded calls of upstreams yet"]
    first, last = (each.past.called.at for each in (replay.calls[0], replay.calls[-1]))
    lines = [f"{_calls(len(replay.calls))}, {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"]
    lines += [f"{_calls(count)} {_THEN[before]} then {_WOULD[after]}" for before, after, count in replay.counts]
    lines.append(f"{_calls(len(replay.calls) - len(replay.changed))} as before")
    newest = replay.changed[::-1]
    lines += [_changed(one) for one in newest[:MOST_LISTED]]
    if len(newest) > MOST_LISTED:
        lines.append(f"and {len(newest) - MOST_LISTED:,} older ones; --json has all")
    return lines


def replay_data(replay: Replay) -> dict[str, object]:
    return {
        "calls": len(replay.calls),
        "counts": [{"then": before, "now": after, "calls": count} for before, after, count in replay.counts],
        "changed": [
            {
                "at": one.past.called.at.isoformat(),
                "agent": one.past.called.agent,
                "tool": one.past.called.tool,
                "then": one.past.action,
                "then_why": one.past.why,
                **_verdict_data(one.verdict),
            }
            for one in replay.changed[::-1]
        ],
    }


def reached(upstream: Upstream) -> str:
    """How it is started or reached; what its environment and headers are called, and no value."""
    names = [name for name, _ in (*upstream.env, *upstream.headers)]
    notes = [f"in {upstream.cwd}"] if upstream.cwd else []
    notes += [f"with {', '.join(names)}"] if names else []
    kind = "" if upstream.url is not None else "runs "
    return f"{kind}{', '.join([upstream.launch_line, *notes])}"


def asked(condition: Condition) -> str:
    """One rule's demand."""
    return f"{condition.rule}: {', '.join(what_is_asked(condition)) or 'one answer of anybody who may decide'}"


def _verdict(verdict: Verdict) -> list[str]:
    lines = [f"{_NOW[verdict.action]}{_because(verdict)}"]
    if verdict.action is Action.HOLD:
        lines += map(asked, verdict.conditions)
        if not verdict.conditions:
            lines.append("everybody who may decide may answer, and one answer is enough")
        if verdict.timeout_seconds is not None:
            lines.append(f"open for {duration(verdict.timeout_seconds)} at most")
    lines += map(_spend, verdict.spends)
    if verdict.policy_sha256 is not None:
        lines.append(f"by the rules in force, {verdict.policy_sha256[:12]}")
    return lines


def _because(verdict: Verdict) -> str:
    reasons = verdict.reasons or tuple(f"the rule {name!r} matches" for name in verdict.rules)
    if verdict.denied is not None:
        return f": {verdict.denied}"
    return f": {'; '.join(reasons)}" if reasons else ""


def _spend(spend: Spend) -> str:
    rule = spend.rule_key.rpartition("#")[0]
    whose = "" if spend.agent is None else f" of {spend.agent}'s own"
    most, takes = amount(spend.most_micros), amount(spend.micros)
    return f"takes {takes} of {most}{whose} in {duration(spend.window_seconds)}, by the rule {rule!r}"


def _changed(one: Replayed) -> str:
    called = one.past.called
    tool = shortened(called.tool, 100)[1:-1]
    verdict = one.verdict
    # Denied calls are often none that any rule would let run, such as those with arguments that do not fit.
    before = f" ({shortened(one.past.why, 100)})" if one.past.action is Action.DENY and one.past.why else ""
    return (
        f"{called.at:%Y-%m-%d %H:%M} {called.agent}: {tool}: "
        f"{_THEN[one.past.action]} then{before}, {_WOULD[verdict.action]}{_because(verdict)}"
    )


def _verdict_data(verdict: Verdict) -> dict[str, object]:
    return {
        "action": verdict.action,
        "rules": list(verdict.rules),
        "reasons": list(verdict.reasons),
        "denied": verdict.denied,
        "conditions": [asdict(condition) for condition in verdict.conditions],
        "timeout_seconds": verdict.timeout_seconds,
        "spends": [asdict(spend) for spend in verdict.spends],
        "policy_sha256": verdict.policy_sha256,
    }


def _calls(count: int) -> str:
    return f"{count:,} {'call' if count == 1 else 'calls'}"
