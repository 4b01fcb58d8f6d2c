"""The whole look at an installation: reads, and changes nothing."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from server.config import Settings
from server.doctor import behind, clock, neighbours, network, place, rows
from server.doctor.findings import Finding, Severity, note
from server.doctor.promise import ROOT, Access, Promise, judged, promise
from server.home import Home

_ORDER = list(Severity)


@dataclass(frozen=True)
class Report:
    """`promise` is None while there is nothing yet that could keep one."""

    home: Path
    promise: Promise | None
    findings: tuple[Finding, ...]

    @property
    def is_safe(self) -> bool:
        return not any(finding.severity is Severity.UNSAFE for finding in self.findings)


def from_inside(settings: Settings, now: datetime) -> Report:
    """For the home's owner, and for root."""
    home = settings.home
    if not home.path.exists():
        return _nothing_yet(home)
    database = place.database_file(settings)
    access = place.access_to(home, database)
    looks: list[Callable[[], list[Finding]]] = [
        lambda: judged(access),
        lambda: place.permissions(home, database),
        lambda: place.keys_beside_data(settings),
        lambda: place.copies(home),
        lambda: place.room(home.path),
        lambda: network.reach(settings),
        lambda: network.phones(settings),
        lambda: network.proxy(settings),
        lambda: network.certificate(settings, now),
        lambda: _of_rows(home, access, database, now),
        clock.synchronised,
        neighbours.look,
    ]
    kept = _with_remote(promise(access), settings)
    return _report(home, kept, [finding for look in looks for finding in look()])


def is_strangers(home: Home) -> bool:
    """Whether the home is neither this user's nor open to it by right, as it is to root."""
    try:
        return hasattr(os, "geteuid") and os.geteuid() not in (ROOT, home.path.stat().st_uid)
    except FileNotFoundError:
        return False
    except PermissionError:
        return True


def from_outside(home: Home) -> Report:
    """For another user than the home's: what such a one can reach of it, and what stands beside it."""
    access = place.access_to(home, None)
    return _report(home, promise(access), [*judged(access), *neighbours.look()])


def _of_rows(home: Home, access: Access, database: Path | None, now: datetime) -> list[Finding]:
    if database is None or not database.exists():
        return []
    try:
        found = rows.read(database, now)
    except rows.Unreadable as problem:
        return [rows.unreadable(database, problem)]
    upstreams = behind.upstreams(found.policy)
    return [
        *rows.judged(found),
        *behind.judged(upstreams, access.owner_name, behind.known_variables(home)),
        *behind.waiting(found.waiting),
        *clock.set_back(found.newest, now),
    ]


def _with_remote(kept: Promise, settings: Settings) -> Promise:
    if settings.on_loopback and settings.trusted_proxy is None:
        return kept
    elsewhere = " Agents on other machines reach it by their tokens only."
    return replace(kept, text=kept.text + elsewhere)


def _nothing_yet(home: Home) -> Report:
    missing = note(
        "no-home",
        f"There is no home at {home.path} yet.",
        "Nothing runs here, so nothing is promised.",
        "assent serve, or name the home with --home",
    )
    return _report(home, None, [missing, *neighbours.look()])


def _report(home: Home, kept: Promise | None, findings: list[Finding]) -> Report:
    return Report(home.path, kept, tuple(sorted(findings, key=lambda finding: _ORDER.index(finding.severity))))
