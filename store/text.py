"""What a string may be: lengths, one line or many, web addresses, mail addresses and patterns. Pure."""

import unicodedata
from functools import lru_cache
from typing import Annotated, Any
from urllib.parse import urlsplit

import re2
from pydantic import AfterValidator, StringConstraints

TITLE_LIMIT = 200
TEXT_LIMIT = 64 * 1024
PATTERN_BYTES = 1 << 20
"""What one compiled pattern may take up; it also bounds how long compiling takes."""


BLANK_LETTERS = frozenset("\u115f\u1160\u3164\uffa0\u2800")
"""Letters and symbols by category, and nothing to the eye."""


def says_something(text: str) -> bool:
    """Whether anybody can see anything in it: a reason of blanks and invisible characters is none."""
    return any(unicodedata.category(one)[0] not in "CMZ" and one not in BLANK_LETTERS for one in text)


def _one_line(text: str) -> str:
    for character in text:
        if unicodedata.category(character) in ("Cc", "Zl", "Zp"):
            raise ValueError(f"must be one line of text, without line breaks and without U+{ord(character):04X}")
    return text


def no_nul(text: str) -> str:
    """The text, if nothing of it is lost where a NUL ends a text."""
    # Databases and programs in C end a text there: what is stored must be what was shown.
    if "\0" in text:
        raise ValueError("must not contain U+0000")
    return text


OneLine = AfterValidator(_one_line)
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.\-]+$")]
Label = Annotated[str, StringConstraints(min_length=1, max_length=TITLE_LIMIT, strip_whitespace=True), OneLine]
Text = Annotated[str, StringConstraints(max_length=TEXT_LIMIT), AfterValidator(no_nul)]


def compile_pattern(pattern: str) -> Any:
    """A compiled RE2 pattern: linear in time, whatever an agent writes.

    Raises:
        ValueError: it does not compile.
    """
    options = re2.Options()
    options.log_errors = False
    options.max_mem = PATTERN_BYTES
    try:
        return re2.compile(pattern, options)
    except re2.error as problem:
        reason = problem.args[0] if problem.args else "unknown reason"
        reason = reason.decode(errors="replace") if isinstance(reason, bytes) else reason
        raise ValueError(f"does not compile as an RE2 pattern ({reason}); an example: ^[A-Z]{{2}}[0-9]+$") from None


@lru_cache(maxsize=4096)
def compiling(pattern: str) -> str:
    """`pattern`, tried once: stored questions are read back for every page, and compiling takes milliseconds."""
    compile_pattern(pattern)
    return pattern


def is_unicode(text: str) -> bool:
    """Whether `text` can be written as UTF-8; a lone surrogate cannot."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def is_web_address(text: str) -> bool:
    """Whether `text` is a whole http or https address."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    # Browsers take a backslash for a slash, so that the host they go to would not be the one that is shown.
    plain = not any(c.isspace() or c == "\\" or not c.isprintable() for c in text)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and plain


def looks_like_email(text: str) -> bool:
    """Whether `text` has the form of a mail address; whether it is one, only a mail can tell."""
    local, at, host = text.rpartition("@")
    return bool(at and local and host) and not any(c.isspace() for c in text) and "@" not in local
