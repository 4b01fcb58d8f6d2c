"""`assent serve`: the server, in this terminal or under a supervisor."""

import os
import shlex
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import structlog
from cyclopts import Parameter

from server.app import Application, Identity, build
from server.commands.options import NO_FLAGS, Shared
from server.config import LogLevel, Settings
from server.connect import CLIENTS, Way, assent_command, bridge_command
from server.home import default_home, write_private
from server.listener import Listener, bind, check_certificate
from server.logs import configure
from server.process import Running, announced, only_server
from server.setup_link import setup_url
from server.version import assent_version

log = structlog.get_logger("assent.serve")


def serve(
    *,
    host: Annotated[str | None, Parameter(help="Address to listen on.")] = None,
    port: Annotated[int | None, Parameter(help="Port to listen on; 0 takes any free one.")] = None,
    database: Annotated[str | None, Parameter(help="Database URL, instead of a file in the home.")] = None,
    public_url: Annotated[str | None, Parameter(help="The https address under which people open the page.")] = None,
    tls_cert: Annotated[Path | None, Parameter(help="Certificate chain in PEM.")] = None,
    tls_key: Annotated[Path | None, Parameter(help="The certificate's key in PEM.")] = None,
    trusted_proxy: Annotated[str | None, Parameter(help="Address of the proxy that does TLS.")] = None,
    log_level: Annotated[LogLevel | None, Parameter(help="How much to log.")] = None,
    policy: Annotated[Path | None, Parameter(help="File in which rules are proposed.")] = None,
    shared: Shared = NO_FLAGS,
) -> None:
    """Run the server until it is told to stop. Agents connect to it, people decide on its page."""
    settings = shared.settings(
        host=host,
        port=port,
        database=database,
        public_url=public_url,
        tls_cert=tls_cert,
        tls_key=tls_key,
        trusted_proxy=trusted_proxy,
        log_level=log_level,
        policy=policy,
    )
    configure(settings.log_level)
    check_certificate(settings)
    settings.home.create()
    with only_server(settings.home):
        listeners = bind(settings)
        settings = replace(settings, port=listeners[0].getsockname()[1])
        identity = Identity.new()
        application = build(settings, identity)
        try:
            write_private(settings.home.bridge_secret_file, identity.bridge_secret + "\n")
            running = _running(settings, identity)
            with announced(settings.home, running):
                _server(application, settings, running, shared).listen(listeners)
        finally:
            application.close()
            settings.home.bridge_secret_file.unlink(missing_ok=True)
            log.info("stopped")


def _server(application: Application, settings: Settings, running: Running, shared: Shared) -> Listener:
    async def started() -> None:
        if not sys.stdout.isatty():
            log.info("started", url=running.url, endpoint=running.endpoint, home=str(settings.home.path))
        data = {"url": running.url, "endpoint": running.endpoint, "pid": running.pid, "home": str(settings.home.path)}
        shared.answer(data, f"{await _welcome(application, settings)}\n\n{_to_connect(settings)}")

    return Listener(application.app, settings, started=started, drain=application.drain)


async def _welcome(application: Application, settings: Settings) -> str:
    lines = [f"Assent {assent_version()} is at {settings.page_url}"]
    if await application.people.count() == 0:
        # Only who sits at the terminal may make the first account: a log or a pipe may have other readers.
        link = await setup_url(application.people, settings.page_url) if sys.stdout.isatty() else None
        if link is None:
            to_open = _this("open --print", settings)
            lines.append(f"Nobody can decide yet. For a link to make the first account run: {to_open}")
        else:
            lines.append(f"Nobody can decide yet. Make the first account within 15 minutes:\n  {link}")
    return "\n".join(lines)


def _to_connect(settings: Settings) -> str:
    def recipe(name: str) -> str:
        client = CLIENTS[name]
        way = Way(client.agent, command=bridge_command(settings.home, client.agent))
        return client.paste(way).text.replace("\n", "\n  ")

    return (
        f"Claude Code on this machine:\n  {recipe('claude-code')}\n"
        f"Any client on this machine with an mcpServers block:\n  {recipe('generic')}\n"
        f"Others, and what makes each of them wait: {_this('client ' + '|'.join(CLIENTS), settings)}"
    )


def _this(words: str, settings: Settings) -> str:
    """A command line that can be pasted: of this installation, for this home."""
    of_home = [] if settings.home.path == default_home() else ["--home", str(settings.home.path)]
    return f"{shlex.join(assent_command())} {' '.join([words, *map(shlex.quote, of_home)])}"


def _running(settings: Settings, identity: Identity) -> Running:
    return Running(
        pid=os.getpid(),
        url=settings.page_url,
        endpoint=settings.endpoint,
        instance=identity.instance,
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        version=assent_version(),
        tls_cert=str(settings.tls_cert) if settings.tls_cert else None,
    )
