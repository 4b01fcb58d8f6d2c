"""Where the bridge takes its calls: this home's own server, started when none answers, or a remote one with a token."""

import os
import ssl
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

import anyio
import anyio.to_thread

from server.addresses import is_loopback
from server.config import Settings
from server.envelope import header_value
from server.problem import UsageProblem
from server.process import find_or_start, other_version, trust
from store.problems import Problem

AGENT_HEADER = "assent-agent"
MCP_PATH = "/mcp"


@dataclass(frozen=True)
class Reached:
    """A server to talk to, and how. `headers` carry the credential: never logged, never printed."""

    url: str
    headers: dict[str, str] = field(repr=False)
    verify: ssl.SSLContext | bool
    note: str | None = None
    """What the person at this end should know about that server."""


class Destination(Protocol):
    async def reach(self) -> Reached:
        """Find the server, again if need be. Raises Problem when there is none."""


@dataclass(frozen=True)
class LocalServer:
    """This home's server. Without a token the home's own secret opens it: who can read that file owns the home."""

    settings: Settings
    agent: str
    token: str | None = field(repr=False)

    async def reach(self) -> Reached:
        running = await anyio.to_thread.run_sync(find_or_start, self.settings.home)
        if self.token is None and not self.settings.home.bridge_secret_file.exists():
            # It ended in between, and took its secret along: what answers now is another.
            running = await anyio.to_thread.run_sync(find_or_start, self.settings.home)
        verify = await anyio.to_thread.run_sync(trust, running)
        if self.token is not None:
            headers = bearer(self.token)
        else:
            headers = {**bearer(self._secret()), AGENT_HEADER: header_value(self.agent)}
        return Reached(running.endpoint + MCP_PATH, headers, verify, other_version(self.settings.home, running))

    def _secret(self) -> str:
        path = self.settings.home.bridge_secret_file
        try:
            return path.read_text(encoding="ascii").strip()
        except OSError as error:
            raise Problem(
                f"the server of {self.settings.home.path} runs, but its {path.name} cannot be read: {error.strerror}",
                "run this as the user who owns the home, or set ASSENT_TOKEN to an agent's token",
            ) from error


@dataclass(frozen=True)
class RemoteServer:
    """A server on another machine or of another user, which only a token opens."""

    url: str
    token: str = field(repr=False)

    async def reach(self) -> Reached:
        verify: ssl.SSLContext | bool = False
        if self.url.startswith("https:"):
            verify = await anyio.to_thread.run_sync(ssl.create_default_context)
        return Reached(self.url, bearer(self.token), verify)


def chosen(settings: Settings, *, agent: str, url: str | None) -> Destination:
    """The destination that flags and environment name. Raises UsageProblem."""
    token = os.environ.get("ASSENT_TOKEN") or None
    if not agent.strip():
        raise UsageProblem("the agent has no name", "give one with --agent NAME, or leave --agent out")
    if url is None:
        return LocalServer(settings, agent.strip(), token)
    if token is None:
        raise UsageProblem(
            f"{url} is opened by a token, and ASSENT_TOKEN is not set",
            "on the server's machine run: assent agent add NAME, and set ASSENT_TOKEN to what it prints",
        )
    return RemoteServer(_endpoint(url), token)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def _endpoint(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageProblem(f"{url} is not an address", "give one such as https://assent.example.org")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise UsageProblem(f"{url} would carry the token in clear over the network", "give the server's https address")
    path = MCP_PATH if parts.path in ("", "/") else parts.path
    return parts._replace(path=path, query="", fragment="").geturl()
