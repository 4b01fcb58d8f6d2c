"""`assent policy …`: the rules that say who may answer what. A file proposes them; activating puts a copy in force."""

from collections.abc import Callable, Coroutine
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import anyio
from cyclopts import App, Parameter

from server.commands.options import NO_FLAGS, Shared
from server.commands.records import opened
from server.config import Settings
from store.policy.active import Via
from store.policy.demands import Asked, Condition, Demands
from store.policy.file import read_file
from store.policy.findings import findings
from store.policy.policies import Look, Policies
from store.policy.reading import PolicyMistake, read
from store.policy.words import duration, what_is_asked, what_it_asks, what_it_matches
from store.questions import Risk

policy = App(name="policy", help="The rules that say who may answer what.")

T = TypeVar("T")
Tool = Literal["ask_approval", "ask_selection", "ask_form", "ask_text_input"]
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
    lines = [f"{path}:{line}" for line in _found(look)] + [
        _rule(look, index) for index in range(len(look.policy.rules))
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
    count = len(look.policy.rules)
    shared.answer(
        {"activated": look.policy.sha256, "rules": count, "findings": [asdict(one) for one in look.findings]},
        "\n".join(
            [*_found(look), f"{count} {'rule is' if count == 1 else 'rules are'} in force: {look.policy.sha256}"]
        ),
    )


@policy.command
def explain(
    tool: Tool,
    /,
    *,
    agent: Annotated[str, Parameter(help="Who asks.")],
    workflow: Annotated[str | None, Parameter(help="In which workflow.")] = None,
    risk: Annotated[Risk | None, Parameter(help="The risk that the agent claims.")] = None,
    shared: Shared = NO_FLAGS,
) -> None:
    """Say what the rules in force ask of such a question."""
    demands = _with(shared.settings(), lambda policies: policies.explain(Asked(tool, agent, workflow, risk)))
    shared.answer(asdict(demands), "\n".join(_explained(demands)))


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
    return Look(policy, tuple(findings(policy, None)), ())


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
    return f"{line} ({found.count} {'request' if found.count == 1 else 'requests'} until now{seen})"


def _data(path: Path, look: Look) -> dict[str, object]:
    rules: list[dict[str, object]] = [
        {"name": rule.name, "matches": what_it_matches(rule), "asks": list(what_it_asks(rule))}
        for rule in look.policy.rules
    ]
    for rule, found in zip(rules, look.matched, strict=False):
        rule |= {"requests": found.count, "last_at": found.last_at.isoformat() if found.last_at else None}
    return {
        "file": str(path),
        "sha256": look.policy.sha256,
        "ok": not look.refused,
        "findings": [asdict(one) for one in look.findings],
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
    lines = [first, *map(_asked, demands.conditions)]
    if not demands.conditions and demands.policy_sha256 is not None:
        lines.append("no rule asks for anything: everybody who may decide may answer, and one answer is enough")
    if demands.timeout_seconds is not None:
        lines.append(f"open for {duration(demands.timeout_seconds)} at most")
    return lines


def _asked(condition: Condition) -> str:
    return f"{condition.rule}: {', '.join(what_is_asked(condition))}"
