"""How an upstream is started or reached: the policy's words, with the values that they stand for. Pure.

A process gets a clean environment: a few names of ours that programs need to work at all, and what the policy gives it.
Nothing else that this server knows reaches it; above all no token of an agent and no setting of ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from server.gateway.problems import Unavailable
from store.policy.upstreams import Upstream, VariableMissing, filled

INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR")
_SHORTEST_SECRET = 6


@dataclass(frozen=True)
class Launch:
    """A process to start: what runs, in which folder, with which environment and nothing besides."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    folder: Path
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """What it is given, and no text about it may repeat."""
    is_ours: bool = True
    """Whether the folder is one that we make. One that the policy names is there, or it is a mistake."""


@dataclass(frozen=True)
class Endpoint:
    """A server to reach over HTTP."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)


def launch(upstream: Upstream, environment: Mapping[str, str], folder: Path) -> Launch:
    """How to start this one. `environment` is what `{{env:…}}` may name, `folder` where it works unless told otherwise.

    Raises:
        Unavailable: a value that the policy names is not there.
    """
    assert upstream.command is not None
    inherited = {name: environment[name] for name in INHERITED if _is_plain(environment.get(name))}
    given = {name: _resolved(value, environment, f"env {name}") for name, value in upstream.env}
    return Launch(
        command=(upstream.command, *upstream.args),
        environment=inherited | given,
        folder=folder if upstream.cwd is None else folder / Path(upstream.cwd).expanduser(),
        secrets=_secrets(dict(upstream.env), given),
        is_ours=upstream.cwd is None,
    )


def endpoint(upstream: Upstream, environment: Mapping[str, str]) -> Endpoint:
    """How to reach this one.

    Raises:
        Unavailable: a value that the policy names is not there.
    """
    assert upstream.url is not None
    headers = {
        name: _one_line(_resolved(value, environment, f"the header {name}"), f"the header {name}")
        for name, value in upstream.headers
    }
    return Endpoint(upstream.url, headers, _secrets(dict(upstream.headers), headers))


def _is_plain(value: str | None) -> bool:
    # Bash hands functions on in variables, and a shell that finds one runs it.
    return value is not None and not value.startswith("()")


def _resolved(value: str, environment: Mapping[str, str], where: str) -> str:
    try:
        resolved = filled(value, environment)
    except VariableMissing as missing:
        raise Unavailable(
            f"{where} takes the variable {missing}, which is not set", f"set {missing} for this server"
        ) from missing
    if "\0" in resolved:
        raise Unavailable(f"{where} takes a value with a NUL in it", "correct the variables that it names")
    return resolved


def _one_line(value: str, where: str) -> str:
    if any(ord(character) < 32 or ord(character) == 127 for character in value):
        # In a header it would begin another one.
        raise Unavailable(f"{where} takes a value of more than one line", "correct the variables that it names")
    return value


def _secrets(written: Mapping[str, str], resolved: Mapping[str, str]) -> tuple[str, ...]:
    """What must not come back: what was filled in, and what was written where secrets are written. Longest first."""
    found = {value for value in (*written.values(), *resolved.values()) if "{{" not in value}
    found |= {word for value in found for word in value.split()}
    return tuple(sorted((value for value in found if len(value) >= _SHORTEST_SECRET), key=len, reverse=True))
