"""The socket and the uvicorn server on it: bound before anything else, drained before it closes."""

import contextlib
import errno
import gc
import logging
import signal
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import uvicorn
from sse_starlette.sse import AppStatus
from starlette.types import ASGIApp

from server.addresses import ONE_MACHINE
from server.config import Settings
from server.edge import Edge
from server.problem import UsageProblem
from server.supervisor import READY, STOPPING, tell
from store.problems import Problem

GRACE_SECONDS = 3
PORT_ATTEMPTS = 20
Hook = Callable[[], Awaitable[None]]


class _NoSuchAddress(UsageProblem):
    """This machine has no such address to listen on."""


def bind(settings: Settings) -> list[socket.socket]:
    """The listening addresses, taken. With port 0 the first socket tells which one it became. Raises Problem.

    On one machine these are two, 127.0.0.1 and ::1: browsers try both for the page's own name, and whoever took the
    second, be it another user's program, would be shown as Assent and typed passwords into.
    """
    both = settings.host in ONE_MACHINE
    for attempt in range(PORT_ATTEMPTS):
        if not both:
            return [_bound(settings.host, settings.port, settings)]
        # Names under localhost mean this machine (RFC 6761), also where the resolver does not know them.
        listener = _bound("::1" if settings.host == "::1" else "127.0.0.1", settings.port, settings)
        other = "::1" if listener.family == socket.AF_INET else "127.0.0.1"
        try:
            return [listener, _bound(other, listener.getsockname()[1], replace(settings, host=other))]
        except _NoSuchAddress:
            return [listener]
        except Problem:
            listener.close()
            # Any free port was asked for: another one may be free on both.
            if settings.port or attempt == PORT_ATTEMPTS - 1:
                raise
    raise AssertionError("the last attempt returns or raises")


def _bound(host: str, port: int, settings: Settings) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise UsageProblem(f"{host} is no address of this machine", "give one with --host") from error
    try:
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _NoSuchAddress(f"this system does not speak to {host}", "give another with --host") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise _NoSuchAddress(f"{host} is no address of this machine", "give one with --host") from error
        raise _cannot_listen(settings, error) from error
    return listener


def check_certificate(settings: Settings) -> None:
    """Raises UsageProblem when certificate and key are not a pair that TLS can use."""
    if settings.tls_cert is None:
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ValueError) as error:
        raise UsageProblem(
            f"{settings.tls_cert} and {settings.tls_key} are no certificate and its key: {error}",
            "give a certificate chain and its unencrypted key, both in PEM, that this user may read",
        ) from error


class Listener(uvicorn.Server):
    """Runs until a signal. `started` is awaited once requests are answered, `drain` before connections are closed."""

    def __init__(self, app: ASGIApp, settings: Settings, *, started: Hook, drain: Hook) -> None:
        super().__init__(
            uvicorn.Config(
                Edge(app, settings),
                # A request line may hold a setup token; nothing writes one down.
                access_log=False,
                log_config=None,
                # The edge looks at these headers, once it has kept whom the connection really comes from.
                proxy_headers=False,
                ssl_certfile=settings.tls_cert,
                ssl_keyfile=settings.tls_key,
                server_header=False,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        self._on_started = started
        self._drain = drain

    def listen(self, listeners: Sequence[socket.socket]) -> None:
        """Serve on the sockets until SIGTERM or SIGINT, then return. Raises Problem when it could not begin."""
        # sse-starlette would cut every stream at the signal, before the calls behind them have had an answer.
        AppStatus.enable_automatic_graceful_drain = False
        # uvicorn repeats a signal once it has stopped; by then there is nothing left to end but this function.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        with contextlib.suppress(KeyboardInterrupt):
            self.run(sockets=list(listeners))
        if not self.started:
            raise Problem("the server did not come up", "the lines above, or server.log in the home, say why")

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            await self._on_started()
            tell(READY)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        tell(STOPPING)
        # Whatever is here now goes with the process: looking through it for garbage would only hold up the end.
        gc.freeze()
        await self._drain()
        AppStatus.should_exit = True
        logging.getLogger("uvicorn.error").addFilter(_is_no_stream_we_end)
        await super().shutdown(sockets)


def _is_no_stream_we_end(record: logging.LogRecord) -> bool:
    """False for what uvicorn says of each open event stream that stops because we do: it is no error."""
    return not record.getMessage().startswith("ASGI callable returned without completing response")


def _cannot_listen(settings: Settings, error: OSError) -> Problem:
    where = f"port {settings.port} of {settings.host}"
    if error.errno == errno.EADDRINUSE:
        return Problem(f"{where} is taken by another program", "choose another with --port, or 0 for any free one")
    if error.errno == errno.EACCES:
        return Problem(f"{where} is reserved for the system", "choose one above 1023 with --port")
    return Problem(f"{where} cannot be listened on: {error.strerror}", "choose another with --host and --port")
