"""The servers behind this one, as the policy names them: how each is started or reached. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from store.canonical_json import canonical_sha256

ENVIRONMENT = re.compile(r"\{\{ ?env:([A-Za-z_][A-Za-z0-9_]*) ?\}\}", re.ASCII)
"""What stands for a variable of the server's own environment, in values of `env` and `headers`."""


LONGEST_NAME = 32
NAME_RULE = f"a to z, 0 to 9, - and single _; a letter first, no _ last, at most {LONGEST_NAME} characters"
_NAME = re.compile(r"[a-z](?:[a-z0-9-]|_(?!_))*(?<!_)", re.ASCII)


def is_upstream_name(name: str) -> bool:
    """Whether an upstream can be called this. `ask` and what begins with `ask_` would look like Assent's own tools."""
    return len(name) <= LONGEST_NAME and _NAME.fullmatch(name) is not None and not f"{name}_".startswith("ask_")


class VariableMissing(LookupError):
    """The server's environment has no variable of this name; its only argument is the name."""


def filled(value: str, environment: Mapping[str, str]) -> str:
    """The value with every `{{env:NAME}}` replaced by what that variable is. What is put in is not looked at again.

    Raises:
        VariableMissing
    """

    def found(match: re.Match[str]) -> str:
        name = match[1]
        if name not in environment:
            raise VariableMissing(name)
        return environment[name]

    return ENVIRONMENT.sub(found, value)


@dataclass(frozen=True)
class Upstream:
    """One server. Either `command` is run and spoken to over its stdin and stdout, or `url` is.

    `name` is lower-case ASCII letters, digits, `-` and single `_`, begins with a letter, ends with no `_`, and has at
    most 32 characters: so `name__tool` can be read in one way only.
    """

    name: str
    command: str | None = None
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    cwd: str | None = None
    url: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    timeout_seconds: int = 60
    """The longest that one call may take."""
    idempotency_meta: str | None = None
    """Under which `_meta` key the request's id is sent along with an approved call."""
    idempotency_argument: str | None = None
    """The same, as an argument that the tool takes. Agents cannot send it themselves."""

    @cached_property
    def launch_sha256(self) -> str:
        """What names this way of starting or reaching it, as hex. Where it differs, other definitions may follow."""
        return canonical_sha256(
            {
                "command": self.command,
                "args": list(self.args),
                "env": dict(self.env),
                "cwd": self.cwd,
                "url": self.url,
                "headers": dict(self.headers),
            }
        )

    @property
    def launch_line(self) -> str:
        """The command or the address, for people; values of environment and headers are not in it."""
        return self.url if self.url is not None else " ".join((self.command or "", *self.args))
