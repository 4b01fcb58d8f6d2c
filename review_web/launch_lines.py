"""How upstreams are started or reached, in words, and what a proposal changes about that. Pure."""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from store.policy.upstreams import Upstream
from store.policy.words import duration, listed


class Standing(StrEnum):
    """An upstream of a proposal, against what is in force."""

    NEW = "new"
    CHANGED = "changed"
    SAME = "same"
    REMOVED = "removed"


@dataclass(frozen=True)
class LaunchRow:
    """One upstream, and how it is started or reached."""

    name: str
    line: str
    """The command, each word quoted where it needs to be; or the address."""
    runs: bool
    """It is a command, which runs with the rights of the server."""
    settings: tuple[str, ...]
    """What else belongs to that. Values of variables and headers are not told."""
    standing: Standing = Standing.SAME
    before: str | None = None
    """The line that goes, where it is another."""

    @property
    def comes(self) -> bool:
        """Whether it is another than what is in force."""
        return self.standing in (Standing.NEW, Standing.CHANGED)


def launch_row(upstream: Upstream) -> LaunchRow:
    """`upstream` in words."""
    return LaunchRow(upstream.name, _line(upstream), upstream.command is not None, tuple(_settings(upstream)))


def launch_rows(proposed: Sequence[Upstream], in_force: Sequence[Upstream]) -> tuple[LaunchRow, ...]:
    """Every upstream of a proposal, with what changes about it; then those that go."""
    before = {one.name: one for one in in_force}
    rows = [_against(one, before.pop(one.name, None)) for one in proposed]
    gone = [LaunchRow(one.name, _line(one), False, (), Standing.REMOVED) for one in before.values()]
    return (*rows, *gone)


def _against(now: Upstream, before: Upstream | None) -> LaunchRow:
    row = launch_row(now)
    if before is None:
        return LaunchRow(row.name, row.line, row.runs, row.settings, Standing.NEW)
    if now.launch_sha256 == before.launch_sha256:
        return row
    changed = tuple(
        f"{what} change"
        for what, here, there in (
            ("values of variables", now.env, before.env),
            ("values of headers", now.headers, before.headers),
        )
        if here != there and dict(here).keys() == dict(there).keys()
    )
    line = _line(before)
    return LaunchRow(
        row.name, row.line, row.runs, (*row.settings, *changed), Standing.CHANGED, line if line != row.line else None
    )


def _line(upstream: Upstream) -> str:
    return upstream.url if upstream.url is not None else shlex.join((upstream.command or "", *upstream.args))


def _settings(upstream: Upstream) -> Iterable[str]:
    if upstream.cwd is not None:
        yield f"in the folder {upstream.cwd}"
    if upstream.env:
        yield f"with {_named('variable', upstream.env)}"
    if upstream.headers:
        yield f"with {_named('header', upstream.headers)}"
    yield f"at most {duration(upstream.timeout_seconds)} a call"


def _named(what: str, pairs: tuple[tuple[str, str], ...]) -> str:
    return f"the {what}{'' if len(pairs) == 1 else 's'} {listed(name for name, _ in pairs)}"
