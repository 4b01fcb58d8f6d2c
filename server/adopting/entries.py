"""One server as a client names it, as an upstream of the policy; or why it stays where it is. Pure.

Values of the environment and of headers never come into the policy: pages show it and the log keeps it. Each becomes
a variable. What could only be taken over wrongly is left to the client, with the reason.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from server.adopting.secrets_in_words import secret_in_address, secret_in_words
from store.policy.clients import is_client
from store.policy.upstreams import Upstream, is_upstream_name
from store.strict_json import shortened

Entry = Mapping[str, Any]
LONGEST_NAME = 32
_ADDRESS_KEYS = ("url", "httpUrl", "serverUrl")
_TAKEN = frozenset({"command", "args", "cwd", "env", "type", "transport", "disabled", "enabled", *_ADDRESS_KEYS})
_HEADERS = frozenset({"headers", "http_headers", "env_http_headers", "bearer_token_env_var"})
_OF_CLIENT = frozenset(
    {"timeout", "startup_timeout_sec", "tool_timeout_sec", "description", "name", "title", "icon", "version"}
)
"""What says how the client treats it. It has no meaning behind Assent, and leaving it out changes nothing."""
_BLOCKING = {
    "envFile": "reads its environment from a file",
    "headersHelper": "gets its headers from a program",
    "oauth": "signs in with OAuth, which Assent does not do",
    "auth": "signs in in a way of the client's own",
    "authProviderType": "signs in in a way of the client's own",
}
_STREAMABLE = frozenset({"http", "streamable-http", "streamablehttp", "streamable_http", "remote"})
_LOCAL = frozenset({"stdio", "local"})
_REFERENCE = re.compile(r"\$\{(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_INPUT = re.compile(r"\$\{input:[^}]*\}")
_ANY_REFERENCE = re.compile(r"\$\{[^}]*\}")
_BARE_REFERENCE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
_SCHEMES = ("", "Bearer ", "bearer ", "Basic ", "Token ", "token ")
_OF_UPSTREAMS = "UPSTREAM_"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


@dataclass(frozen=True)
class Where:
    """What is known of the file that the server stands in."""

    folder: str | None = None
    """The project that the file belongs to, if it belongs to one."""
    user_home: str = ""
    bare_references: bool = False
    """Whether `$NAME` without braces stands for a variable there, as for Gemini CLI."""
    plain_url_is_sse: bool = False
    is_there: Callable[[str], bool] = field(default=lambda _: False, compare=False)
    """Whether this path, relative to the folder, exists."""


@dataclass(frozen=True)
class Taken:
    """A server that can stand behind Assent. `values` are what its variables stand for, `missing` what nobody knows
    here: a person sets these."""

    name: str
    upstream: Upstream
    values: Mapping[str, str]
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Left:
    """A server that stays with the client. `why` goes on after its name."""

    name: str
    why: str


def taken(name: str, entry: Entry, as_name: str, where: Where) -> Taken | Left:
    """That server as the upstream `as_name`."""
    if entry.get("disabled") is True or entry.get("enabled") is False:
        return Left(name, "is switched off there")
    for key, why in _BLOCKING.items():
        if entry.get(key):
            return Left(name, f"{why} ({key})")
    try:
        reached = _reached(entry, as_name, where)
        variables = _Variables(as_name, where)
        if reached.url is None:
            upstream = replace(reached, env=_environment(entry, variables))
        else:
            upstream = replace(reached, headers=_headers(entry, variables))
    except _CannotBeTaken as problem:
        return Left(name, str(problem))
    dropped = sorted(set(entry) - _TAKEN - _HEADERS - _OF_CLIENT)
    notes = (f"not taken over: {', '.join(shortened(key, 40)[1:-1] for key in dropped)}",) if dropped else ()
    return Taken(name, upstream, variables.values, tuple(variables.missing), notes)


def upstream_name(name: str, others: Collection[str]) -> str:
    """A name that an upstream can have, like this one and like none of the others."""
    plain = re.sub(r"[^a-z0-9_-]+", "-", name.casefold())
    plain = re.sub(r"_{2,}", "_", plain).strip("-_")
    first = plain[:LONGEST_NAME].rstrip("-_")
    if not is_upstream_name(first) or is_client(first):
        first = f"server-{plain}"[:LONGEST_NAME].rstrip("-_")
    tries = (f"{first[: LONGEST_NAME - 4]}-{number}" for number in range(2, 1000))
    return first if first not in others else next(one for one in tries if one not in others)


class _CannotBeTaken(Exception):
    """Why, as it goes on after the server's name."""


def _reached(entry: Entry, as_name: str, where: Where) -> Upstream:
    kind = str(entry.get("type") or entry.get("transport") or "").casefold()
    address = next((entry[key] for key in _ADDRESS_KEYS if isinstance(entry.get(key), str)), None)
    command = entry.get("command")
    if isinstance(command, str) and command.strip() and (not kind or kind in _LOCAL):
        return _started(entry, command, as_name, where)
    if address is None or (kind and kind not in _STREAMABLE and kind != "sse"):
        raise _CannotBeTaken("has neither a command nor an address that Assent understands")
    sse_by_habit = where.plain_url_is_sse and "httpUrl" not in entry
    if kind == "sse" or (not kind and (sse_by_habit or address.rstrip("/").endswith("/sse"))):
        raise _CannotBeTaken(
            "speaks the older SSE transport, which Assent does not; it may have an address for streamable HTTP too"
        )
    url = _filled(address, "address", where)
    if secret_in_address(url):
        raise _CannotBeTaken("seems to have a secret in its address, which a policy must not hold; send it as a header")
    return Upstream(as_name, url=url)


def _started(entry: Entry, command: str, as_name: str, where: Where) -> Upstream:
    args = entry.get("args") or []
    if not isinstance(args, list) or not all(isinstance(word, str) for word in args):
        raise _CannotBeTaken("has args that are no list of texts")
    words = [_filled(word, "command line", where) for word in (command, *args)]
    if (flag := secret_in_words(words)) is not None:
        raise _CannotBeTaken(
            f"seems to have a secret on its command line ({shortened(flag, 30)[1:-1]}), which a policy must not hold; "
            "give it by env, if it takes it so"
        )
    cwd = entry.get("cwd")
    if cwd is not None and not isinstance(cwd, str):
        raise _CannotBeTaken("has a cwd that is no text")
    if cwd is not None:
        cwd = _filled(cwd, "cwd", where)
        cwd = cwd if cwd.startswith("/") or where.folder is None else f"{where.folder}/{cwd}"
    elif any(map(where.is_there, words)):
        # Clients start a project's servers in the project's folder.
        cwd = where.folder
    return Upstream(as_name, command=words[0], args=tuple(words[1:]), cwd=cwd)


def _filled(text: str, what: str, where: Where) -> str:
    known = {"${workspaceFolder}": where.folder, "${userHome}": where.user_home or None}
    for reference, value in known.items():
        if value is not None:
            text = text.replace(reference, value)
    left = _ANY_REFERENCE.search(text) or (_BARE_REFERENCE.search(text) if where.bare_references else None)
    if left is not None:
        raise _CannotBeTaken(f"has {shortened(left[0], 40)[1:-1]} in its {what}, which only the client can fill in")
    return text


class _Variables:
    """Gives every value a variable's name, and remembers what the variable stands for."""

    def __init__(self, as_name: str, where: Where) -> None:
        self._prefix = f"{_OF_UPSTREAMS}{re.sub('[^A-Z0-9]', '_', as_name.upper())}_"
        self._where = where
        self.values: dict[str, str] = {}
        self.missing: list[str] = []

    def of_environment(self, name: str) -> str:
        """What stands for a variable that the client would take from its own environment."""
        if name.upper().startswith(_OF_UPSTREAMS):
            # A file from elsewhere must not be given what belongs to another server.
            raise _CannotBeTaken(f"takes {shortened(name, 60)[1:-1]}, and such names are for the servers behind Assent")
        if name not in self.missing and name not in self.values:
            self.missing.append(name)
        return _placeholder(name)

    def standing_for(self, key: str, value: str) -> str:
        """What the policy says instead of `value`."""
        if self._where.bare_references and (bare := _BARE_REFERENCE.fullmatch(value)):
            return self.of_environment(bare[1])
        references = list(_REFERENCE.finditer(value))
        if len(references) == 1 and value[: references[0].start()] in _SCHEMES and references[0].end() == len(value):
            (reference,) = references
            if reference[2] is not None:
                self.values[reference[1]] = reference[2]
            return value[: reference.start()] + self.of_environment(reference[1])
        own = self._prefix + re.sub(r"[^A-Z0-9]", "_", key.upper())
        if _INPUT.fullmatch(value.removeprefix("Bearer ")):
            self.missing.append(own)
            return value[: value.index("$")] + _placeholder(own)
        if _ANY_REFERENCE.search(value):
            raise _CannotBeTaken(
                f"puts {shortened(key, 40)[1:-1]} together of several parts, which only the client can do"
            )
        if self.values.get(own, value) != value:
            raise _CannotBeTaken(f"has {shortened(key, 40)[1:-1]} twice, in other letters; rename one")
        self.values[own] = value
        return _placeholder(own)


def _placeholder(name: str) -> str:
    return "{{env:" + name + "}}"


def _environment(entry: Entry, variables: _Variables) -> tuple[tuple[str, str], ...]:
    found = dict(_standing(_mapping(entry, "env"), "env", _VARIABLE, variables))
    forwarded = entry.get("env_vars")
    for name in forwarded if isinstance(forwarded, list) else ():
        if isinstance(name, str) and _VARIABLE.fullmatch(name):
            found[name] = variables.of_environment(name)
    return tuple(found.items())


def _headers(entry: Entry, variables: _Variables) -> tuple[tuple[str, str], ...]:
    given = {**_mapping(entry, "headers"), **_mapping(entry, "http_headers")}
    found = dict(_standing(given, "headers", _HEADER, variables))
    named = dict(_mapping(entry, "env_http_headers"))
    for name, variable in named.items():
        found[name] = variables.of_environment(str(variable))
    if isinstance(entry.get("bearer_token_env_var"), str):
        found["Authorization"] = "Bearer " + variables.of_environment(entry["bearer_token_env_var"])
    return tuple(found.items())


def _mapping(entry: Entry, key: str) -> Mapping[str, Any]:
    value = entry.get(key) or {}
    if not isinstance(value, Mapping):
        raise _CannotBeTaken(f"has {key} that are no names and values")
    return value


def _standing(
    given: Mapping[str, Any], what: str, names: "re.Pattern[str]", variables: _Variables
) -> list[tuple[str, str]]:
    found = []
    for key, value in given.items():
        if names.fullmatch(key) is None or not isinstance(value, str | int | float) or "\0" in str(value):
            raise _CannotBeTaken(f"has {what} with {shortened(key, 40)}, which is no name and value")
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if what == "headers" and not text.isprintable():
            raise _CannotBeTaken(f"has the header {shortened(key, 40)} with a value that is no line of text")
        found.append((key, variables.standing_for(key, text)))
    return found
