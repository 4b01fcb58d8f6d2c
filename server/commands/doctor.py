"""`assent doctor`: what is unsafe here."""

import os
import textwrap
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from server.commands.options import NO_FLAGS, Shared
from server.doctor.checkup import Report, from_inside, from_outside, is_strangers
from server.doctor.findings import Finding
from server.home import Home, default_home

WIDTH = 100


def doctor(*, shared: Shared = NO_FLAGS) -> int:
    """Say which promise this installation keeps, and what is unsafe about it. Changes nothing. Exits 1 if anything is.

    It answers for the user who runs it: run as the agents' user, it tells what an agent could reach.
    """
    report = _report(shared)
    data = {
        "home": str(report.home),
        "promise": report.promise.assurance.value if report.promise else None,
        "promise_text": report.promise.text if report.promise else None,
        "safe": report.is_safe,
        "findings": [asdict(finding) for finding in report.findings],
    }
    shared.answer(data, _text(report))
    return 0 if report.is_safe else 1


def _report(shared: Shared) -> Report:
    home = Home(Path(shared.home or os.environ.get("ASSENT_HOME") or default_home()).expanduser().absolute())
    if is_strangers(home):
        return from_outside(home)
    return from_inside(shared.settings(), datetime.now(UTC))


def _text(report: Report) -> str:
    kept = f"{report.promise.assurance.value}\n{_block(report.promise.text, 2)}\n" if report.promise else "none yet\n"
    counts = {
        severity: sum(finding.severity == severity for finding in report.findings) for severity in ("unsafe", "weak")
    }
    summary = f"{counts['unsafe']} unsafe, {counts['weak']} weak (home {report.home})"
    return "\n".join([f"Promise: {kept}", *(_paragraph(finding) for finding in report.findings), summary])


def _paragraph(finding: Finding) -> str:
    return f"{finding.severity.value}: {finding.what}\n{_block(finding.why, 2)}\n{_block(f'mend: {finding.mend}', 2)}\n"


def _block(text: str, indent: int) -> str:
    # Commands must survive being copied: words are never broken.
    pad = " " * indent
    return textwrap.fill(
        text, WIDTH, initial_indent=pad, subsequent_indent=pad, break_long_words=False, break_on_hyphens=False
    )
