"""What a look at an installation comes to."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """`unsafe`: something that is promised does not hold. `weak`: it holds, and could hold better. `note`: know it."""

    UNSAFE = "unsafe"
    WEAK = "weak"
    NOTE = "note"


@dataclass(frozen=True)
class Finding:
    """One thing found, in words for people. `name` stays the same for programs; `mend` is one command or setting."""

    name: str
    severity: Severity
    what: str
    why: str
    mend: str


def unsafe(name: str, what: str, why: str, mend: str) -> Finding:
    return Finding(name, Severity.UNSAFE, what, why, mend)


def weak(name: str, what: str, why: str, mend: str) -> Finding:
    return Finding(name, Severity.WEAK, what, why, mend)


def note(name: str, what: str, why: str, mend: str) -> Finding:
    return Finding(name, Severity.NOTE, what, why, mend)
