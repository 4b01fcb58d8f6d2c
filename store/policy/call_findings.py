"""What is wrong or doubtful about upstreams, and about rules for their calls. Pure.

`findings` says what refuses and what warns, and why.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from ipaddress import ip_address
from urllib.parse import urlsplit

from store.policy.arguments import COMPARISONS, Check, Matcher, Op, holds, kind_of
from store.policy.clients import CLIENTS, is_client
from store.policy.finding import Finding, place_in
from store.policy.globs import Name, Names
from store.policy.reach import reaches, reaches_calls, shadows
from store.policy.rules import RISKS, TOOLS, Path, Policy, Rule
from store.policy.upstreams import ENVIRONMENT, Upstream
from store.policy.when import mistake_in
from store.policy.words import listed

_SECRET = re.compile(r"(?i)authorization|cookie|token|secret|passw|api[-_]?key|private[-_]?key|credential")
_TEXT, _NUMBER, _FLAG, _NULL, _LIST, _OBJECT = "a text", "a number", "true or false", "null", "a list", "an object"
_LOWER, _UPPER = (Op.GT, Op.GE), (Op.LT, Op.LE)


def of_upstreams(policy: Policy) -> Iterator[Finding]:
    """Everything about how upstreams are reached."""
    for upstream in policy.upstreams:
        if is_client(upstream.name):
            # Found here and not where names are read: what is in force under such a name must stay readable.
            says = f"an upstream cannot be called {upstream.name!r}: rules know tools of {CLIENTS[upstream.name]} by it"
            yield Finding(says, place_in(policy, ("upstreams", upstream.name)), refuses=True)
        if upstream.url is not None and _is_in_clear(upstream.url):
            where = place_in(policy, ("upstreams", upstream.name, "url"))
            message = f"the upstream {upstream.name!r} is called without TLS: others can read and change what passes"
            yield Finding(message, where, refuses=False)
        yield from _of_secrets(policy, upstream)


def _is_in_clear(url: str) -> bool:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https" or host == "localhost" or host.endswith(".localhost"):
        return False
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return True


def _of_secrets(policy: Policy, upstream: Upstream) -> Iterator[Finding]:
    for field, pairs in (("env", upstream.env), ("headers", upstream.headers)):
        names = [name for name, value in pairs if _SECRET.search(name) and value and not ENVIRONMENT.search(value)]
        if names:
            message = f"the upstream {upstream.name!r} has {listed(names)} in {field} for every reader of the file"
            where = place_in(policy, ("upstreams", upstream.name, field))
            yield Finding(f"{message}: write {{{{env:NAME}}}} instead of the value", where, refuses=False)


def of_matching(policy: Policy, rule: Rule, path: Path) -> Iterator[Finding]:
    """Whether the rule can match anything, and what of it cannot."""
    calls = reaches_calls(policy, rule)
    where = place_in(policy, (*path, "tool"), path)
    if not calls and not rule.matched_tools:
        # What only looks at questions does no harm if it permits: they are put to people whatever it says.
        idle = bool(rule.named_tools) and rule.action.permits and not rule.is_narrowed
        yield Finding(f"the rule {rule.name!r} {_why_nothing(policy, rule)}", where, refuses=not idle)
        return
    for index, glob in enumerate(rule.tools):
        if glob in rule.call_globs and not reaches(policy, rule, glob) and not _matches_questions(glob):
            place = place_in(policy, (*path, "tool", index), (*path, "tool"))
            says = f"the rule {rule.name!r} is for {glob}, and there is no such upstream or client"
            yield Finding(says, place, refuses=False)
    if calls and rule.risk not in (None, RISKS[0]):
        is_idle = not rule.matched_tools
        says = "never matches" if is_idle else "governs no call of an upstream"
        message = f"the rule {rule.name!r} {says}: calls claim no risk, which counts as low"
        yield Finding(message, place_in(policy, (*path, "risk")), refuses=is_idle)


def _matches_questions(glob: str) -> bool:
    return any(Names((glob,), folded=True).match(Name.of(tool)) for tool in TOOLS)


def _why_nothing(policy: Policy, rule: Rule) -> str:
    if rule.named_tools:
        if rule.is_narrowed:
            fields = "args, hours, until, when, budget and rate"
            return f"never matches: {fields} are for calls of upstreams, and it names none"
        return "changes nothing: questions are put to people whatever allows them"
    if rule.call_globs:
        there = f"there are {listed(one.name for one in policy.upstreams)}" if policy.upstreams else "there is none"
        if any(reaches(policy, rule, glob) for glob in rule.call_globs):
            return "never matches: it excepts all that it names"
        return f"never matches: it names no upstream of this file, and {there}"
    return f"never matches: the tools are {', '.join(TOOLS)}"


def of_calls(policy: Policy, rule: Rule, path: Path) -> Iterator[Finding]:
    """Tests that contradict each other or leave a side open, and expressions that are none."""
    for matcher in rule.arguments:
        where = place_in(policy, (*path, "args", matcher.name), (*path, "args"))
        if _contradicts(matcher):
            says = f"the rule {rule.name!r} never matches: no {matcher.name} is all that it asks"
            yield Finding(says, where, refuses=True)
        elif rule.action.permits and (side := _open_side(matcher)):
            says = f"the rule {rule.name!r} sets no {side} bound for {matcher.name}"
            less = "less than nothing" if side == "lower" else "any amount"
            yield Finding(f"{says}: it lets {less} through", where, refuses=False)
    if rule.when is not None and (mistake := mistake_in(rule.when)):
        where = place_in(policy, (*path, "when"))
        yield Finding(f"the `when` of the rule {rule.name!r} {mistake}", where, refuses=True)


def of_rules_over(policy: Policy, now: datetime | None) -> Iterator[Finding]:
    """Rules that match nothing any more."""
    for index, rule in enumerate(policy.rules):
        if now is not None and rule.until is not None and rule.until.is_over(now):
            says = f"the rule {rule.name!r} is over since {rule.until.at:%Y-%m-%d at %H:%M} UTC, and matches nothing"
            yield Finding(says, place_in(policy, ("rules", index, "until")), refuses=False)


def of_shadows(policy: Policy) -> Iterator[Finding]:
    """Rules that permit, and never count because a stricter one matches all that they do."""
    found = shadows(policy)
    for index, rule in enumerate(policy.rules):
        if (shadow := found.get(rule.name)) is not None:
            does = {"notice": "notices", "hold": "holds", "deny": "denies"}[shadow.action]
            says = f"the rule {rule.name!r} never counts: {shadow.name!r} {does} all that it matches"
            yield Finding(says, place_in(policy, ("rules", index)), refuses=False)


def _open_side(matcher: Matcher) -> str | None:
    """Which bound is missing, where there is only one."""
    ops = {check.op for check in matcher.checks}
    if ops & {Op.EQ, Op.IN} or not ops & COMPARISONS.keys():
        return None
    return "lower" if not ops & {*_LOWER} else "upper" if not ops & {*_UPPER} else None


def _contradicts(matcher: Matcher) -> bool:
    """Whether no value can pass all of its tests."""
    for check in matcher.checks:
        if check.op is Op.EXISTS and check.value is False:
            return len(matcher.checks) > 1
        if check.op in (Op.EQ, Op.IN):
            wanted = check.value if isinstance(check.value, tuple) else (check.value,)
            return not any(
                all(holds(other, value, matcher.name) is True for other in matcher.checks) for value in wanted
            )
    kinds = [_kinds(check) for check in matcher.checks]
    return not frozenset.intersection(*kinds) or _is_empty(matcher.checks)


def _kinds(check: Check) -> frozenset[str]:
    """The types of value that a test is for."""
    match check.op:
        case Op.GLOB | Op.MATCHES:
            return frozenset({_TEXT})
        case Op.LONGER:
            return frozenset({_TEXT, _LIST, _OBJECT})
        case Op.NE | Op.NOT_IN:
            unwanted = check.value if isinstance(check.value, tuple) else (check.value,)
            every = frozenset({_TEXT, _NUMBER, _FLAG, _NULL, _LIST, _OBJECT})
            named = frozenset(map(kind_of, unwanted)) - {_NULL}
            return named | {_NULL} if named else every - {_NULL}
        case op if op in COMPARISONS:
            return frozenset({_NUMBER})
        case _:
            return frozenset({_TEXT, _NUMBER, _FLAG, _NULL, _LIST, _OBJECT})


def _is_empty(checks: tuple[Check, ...]) -> bool:
    """Whether no number lies within all of these bounds."""
    lower = [(check.value, check.op is Op.GT) for check in checks if check.op in _LOWER]
    upper = [(check.value, check.op is Op.LT) for check in checks if check.op in _UPPER]
    return any(
        low > high or (low == high and (above or below))  # type: ignore[operator]
        for low, above in lower
        for high, below in upper
    )
