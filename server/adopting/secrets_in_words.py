"""Whether a command line or an address seems to hold a secret. Pure.

A policy shows both on pages and keeps them in the log for good, so a doubt counts as a yes. This sees what is named or
shaped as secrets are; one that looks like any other word passes.
"""

import re
from collections.abc import Sequence
from urllib.parse import parse_qsl, urlsplit

_NAMED = (
    r"(?:api[_-]?key|access[_-]?key|private[_-]?key|token|secret|passw(?:or)?d|passphrase|pwd|credential|"
    r"authorization|bearer)"
)
_FLAG = re.compile(rf"(?i)-{{1,2}}(?=[\w-]*(?:{_NAMED}|(?<![a-z])(?:key|auth)(?![a-z])))[\w-]+")
_HARMLESS_FLAG = re.compile(r"(?i).*(?:file|path|dir|folder|url|name|env|type|limit|count|mode|max[\w-]*|[\w-]*tokens)")
_ASSIGNED = re.compile(rf"(?i)(?:{_NAMED}|(?:^|[\W_])key)[\w-]*\s*[=:]\s*[^\s$]")
_SHAPED = re.compile(
    r"(?:sk|pk|rk|ak)-[\w-]{16,}|gh[pousr]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|xox[a-z]-[\w-]{10,}|AKIA[A-Z0-9]{12,}|"
    r"eyJ[\w-]{10,}\.[\w-]+|AIza[\w-]{20,}|hf_\w{16,}|npm_\w{16,}"
)
_WITH_PASSWORD = re.compile(r"\w+://[^/\s@]*:[^/\s@]+@")
_RANDOM = re.compile(r"(?=[^/]*\d)(?=[^/]*[A-Za-z])[A-Za-z0-9_+=-]{36,}")
_UUID = re.compile(r"(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def secret_in_words(words: Sequence[str]) -> str | None:
    """What is suspicious, without the secret itself: the flag that names it, or where it stands."""
    for index, word in enumerate(words):
        name = word.partition("=")[0]
        if _FLAG.fullmatch(name) and not _HARMLESS_FLAG.fullmatch(name):
            if "=" in word or (index + 1 < len(words) and not words[index + 1].startswith("-")):
                return name
            continue
        if _HARMLESS_FLAG.fullmatch(name) and "=" in word and name.startswith("-"):
            continue
        if _ASSIGNED.search(word) or _is_secret(word) or ("://" in word and secret_in_address(word)):
            return f"word {index}" if index else "the command"
    return None


def secret_in_address(url: str) -> bool:
    """Whether this address carries a secret in its user, its path or its query."""
    if _WITH_PASSWORD.search(url):
        return True
    try:
        parts = urlsplit(url)
    except ValueError:
        return True
    queries = parse_qsl(parts.query, keep_blank_values=False)
    named = any(re.search(rf"(?i){_NAMED}|^(?:key|auth|sig|signature|code)$", name) for name, _ in queries)
    return named or any(map(_is_secret, [*parts.path.split("/"), *(value for _, value in queries)]))


def _is_secret(word: str) -> bool:
    return (
        _SHAPED.search(word) is not None
        or _WITH_PASSWORD.search(word) is not None
        or (_RANDOM.fullmatch(word) is not None and _UUID.fullmatch(word) is None)
    )
