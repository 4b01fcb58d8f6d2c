"""`assent policy …`: the rules that say who may answer what. A file proposes them; activating puts a copy in force."""

from collections.abc import Callable, Coroutine
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import anyio
from cyclopts import App, Parameter

from server.commands.called import wanted_call
from server.commands.options import NO_FLAGS, Shared
from server.commands.records import opened
from server.commands.verdict_words import asked, explained, explanation_data, reached, replay_data, replayed
from server.config import Settings
from server.problem import UsageProblem
from store.policy.active import Via
from store.policy.additions import RULES, as_yaml, with_rules
from store.policy.clients import CLIENTS, is_client
from store.policy.demands import Asked, Demands
from store.policy.file import read_file, write_proposal
from store.policy.findings import findings
from store.policy.policies import Look, Policies
from store.policy.reading import PolicyMistake, read
from store.policy.rules import TOOLS
from store.policy.words import duration, what_it_asks, what_it_matches
from store.problems import Problem
from store.questions import Risk

policy = App(name="policy", help="The rules that say who may answer what.")

T = TypeVar("T")
_ALONE = "Without a home here the people and agents that it names were not looked up."


@policy.command
def check(file: Path | None = None, /, *, shared: Shared = NO_FLAGS) -> int:
    """Say what a file's rules are, and what is wrong with them.

    Changes nothing. Exits 1 if they cannot be activated as they are.
    """
    settings = shared.settings()
    path, text = _proposal(settings, file)
    alone = not settings.database and not settings.home.database_file.exists()
    try:
        look = _alone(text) if alone else _with(settings, lambda policies: policies.look(text))
    except PolicyMistake as mistake:
        if not shared.json:
            raise
        shared.answer({"file": str(path), "ok": False, "findings": [_mistake(mistake)], "rules": []}, "")
        return 1
    lines = [
        *(f"{path}:{line}" for line in _found(look)),
        *(f"upstream {one.name}: {reached(one)}" for one in look.policy.upstreams),
        *(_rule(look, index) for index in range(len(look.policy.rules))),
    ]
    verdict = "cannot be activated as it is" if look.refused else f"can be activated: assent policy activate {path}"
    shared.answer(_data(path, look), "\n".join([*lines, *([_ALONE] if alone else []), f"{path} {verdict}"]))
    return 1 if look.refused else 0


@policy.command
def activate(file: Path | None = None, /, *, shared: Shared = NO_FLAGS) -> None:
    """Put a file's rules in force, from the next question on. What is open keeps the rules that it was asked under."""
    settings = shared.settings()
    _, text = _proposal(settings, file)

    async def activated(policies: Policies) -> Look:
        await policies.activate(text, reviewer=None, via=Via.COMMAND_LINE)
        return await policies.look(text)

    look = _with(settings, activated)
    data = {
        "activated": look.policy.sha256,
        "rules": len(look.policy.rules),
        "upstreams": len(look.policy.upstreams),
        "findings": [asdict(one) for one in look.findings],
    }
    shared.answer(data, "\n".join([*_found(look), f"{_counted(look)} in force: {look.policy.sha256}"]))


@policy.command
def explain(
    call: Annotated[
        str,
        Parameter(
            help="A tool's name, a JSON file with {tool, arguments, agent}, or - for stdin.", allow_leading_hyphen=True
        ),
    ],
    /,
    *,
    agent: Annotated[str | None, Parameter(help="Who asks or calls.")] = None,
    workflow: Annotated[str | None, Parameter(help="In which workflow.")] = None,
    risk: Annotated[Risk | None, Parameter(help="The risk that the agent claims, of a question.")] = None,
    args: Annotated[str | None, Parameter(help="The arguments of a call, as a JSON object.")] = None,
    shared: Shared = NO_FLAGS,
) -> None:
    """Say what the rules in force do with such a question or call: which rules match, and why it ends as it does.

    ask_approval and the like are questions; upstream__tool, upstream:prompts/NAME and upstream:resources are calls, and
    so is claude_code:Bash, a tool that a client brings itself.
    """
    wanted = wanted_call(call, agent=agent, workflow=workflow, args=args)
    settings = shared.settings()
    if wanted.tool in TOOLS:
        asked_for = Asked(wanted.tool, wanted.agent, wanted.workflow, risk)
        demands = _with(settings, lambda policies: policies.explain(asked_for))
        shared.answer(asdict(demands), "\n".join(_explained(demands)))
        return
    if risk is not None:
        raise UsageProblem("a call claims no risk", "leave --risk out")
    now = datetime.now(UTC)
    found = _with(
        settings,
        lambda policies: policies.explain_call(
            wanted.tool, wanted.arguments, agent=wanted.agent, workflow=wanted.workflow, now=now
        ),
    )
    shared.answer(explanation_data(found), "\n".join(explained(found)))


@policy.command
def replay(file: Path | None = None, /, *, shared: Shared = NO_FLAGS) -> None:
    """Say what a file's rules would have done with the recorded calls of upstreams. Changes nothing.

    Budgets start empty with the oldest call. Of denied calls only the newest of each kind is recorded.
    """
    settings = shared.settings()
    _, text = _proposal(settings, file)
    found = _with(settings, lambda policies: policies.replay(text))
    shared.answer(replay_data(found), "\n".join(replayed(found)))


@policy.command
def suggest(
    upstream: str,
    /,
    *,
    add: Annotated[bool, Parameter(help="Add the rules to the proposal.", negative=())] = False,
    shared: Shared = NO_FLAGS,
) -> None:
    """Draft rules for an upstream from what its tools say of themselves: for you to read, before anything else.

    What says that it only reads would run freely; everything else is held, with a reason where it may destroy. For
    claude_code the draft is of the tools that Claude Code's documentation names.
    """
    settings = shared.settings()
    found = _with(settings, lambda policies: policies.suggest(upstream))
    if not found.rules:
        raise Problem(
            f"{upstream} has listed no tools that a person accepted" + "".join(f"; {note}" for note in found.notes),
            f"It lists them when the server starts it: see assent upstreams {upstream}",
        )
    whose = f"what the documentation of {CLIENTS[upstream]}" if is_client(upstream) else f"what {upstream}"
    notes = [
        f"Drafted from {whose} says of its own tools. Nobody checked that: read every name before you use it.",
        *found.notes,
    ]
    lines = [f"# {note}" for note in notes]
    if add:
        path, text = _proposal(settings, None)
        write_proposal(path, with_rules(text, found.rules).text)
        lines.append(f"# added to {path}, which is not in force yet: assent policy activate {path}")
    yaml = as_yaml(RULES, list(found.rules)).rstrip()
    shared.answer({"rules": list(found.rules), "notes": notes, "added": add}, "\n".join([*lines, yaml]))


def _counted(look: Look) -> str:
    rules, upstreams = len(look.policy.rules), len(look.policy.upstreams)
    behind = f" and {upstreams} {'upstream' if upstreams == 1 else 'upstreams'}" if upstreams else ""
    return f"{rules} {'rule' if rules == 1 else 'rules'}{behind} {'is' if rules == 1 and not upstreams else 'are'}"


def _proposal(settings: Settings, file: Path | None) -> tuple[Path, str]:
    path = file or settings.policy_file
    text = read_file(path)
    if text is None:
        raise PolicyMistake(f"there is no file {path}", hint="Write one: docs/reviewers.md shows how, or name another.")
    return path, text


def _with(settings: Settings, work: Callable[[Policies], Coroutine[Any, Any, T]]) -> T:
    with opened(settings) as records:
        return anyio.run(work, records.policies)


def _alone(text: str) -> Look:
    policy = read(text)
    return Look(policy, tuple(findings(policy, None, datetime.now(UTC))), ())


def _found(look: Look) -> list[str]:
    return [
        f"{one.place.line}:{one.place.column}: {'mistake' if one.refuses else 'warning'}: {one.message}"
        for one in look.findings
    ]


def _rule(look: Look, index: int) -> str:
    rule = look.policy.rules[index]
    line = f"{rule.name}: {what_it_matches(rule)}: {', '.join(what_it_asks(rule))}"
    if not look.matched:
        return line
    found = look.matched[index]
    seen = f", the last {found.last_at:%Y-%m-%d %H:%M} UTC" if found.last_at else ""
    return f"{line} (matched {found.count} until now{seen})"


def _data(path: Path, look: Look) -> dict[str, object]:
    rules: list[dict[str, object]] = [
        {"name": rule.name, "matches": what_it_matches(rule), "asks": list(what_it_asks(rule))}
        for rule in look.policy.rules
    ]
    for rule, found in zip(rules, look.matched, strict=False):
        rule |= {"matched": found.count, "last_at": found.last_at.isoformat() if found.last_at else None}
    return {
        "file": str(path),
        "sha256": look.policy.sha256,
        "ok": not look.refused,
        "findings": [asdict(one) for one in look.findings],
        "upstreams": [{"name": one.name, "launch_line": one.launch_line} for one in look.policy.upstreams],
        "rules": rules,
    }


def _mistake(mistake: PolicyMistake) -> dict[str, object]:
    place = None if mistake.place is None else asdict(mistake.place)
    return {"message": mistake.message, "place": place, "refuses": True}


def _explained(demands: Demands) -> list[str]:
    if demands.policy_sha256 is None:
        first = "no rules were ever activated: everybody who may decide may answer, and one answer is enough"
    elif demands.denied is not None:
        return [demands.denied]
    else:
        first = f"by the rules in force, {demands.policy_sha256[:12]}:"
    lines = [first, *map(asked, demands.conditions)]
    if not demands.conditions and demands.policy_sha256 is not None:
        lines.append("no rule asks for anything: everybody who may decide may answer, and one answer is enough")
    if demands.timeout_seconds is not None:
        lines.append(f"open for {duration(demands.timeout_seconds)} at most")
    return lines
