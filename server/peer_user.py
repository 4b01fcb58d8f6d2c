"""Tells the review site which user of this machine a browser runs as, so that a session stays with that user.

A cookie is sent to every port of its host. A program of another user, such as an agent that is kept apart, can listen
on a port of its own under the page's name, and a person who follows a link there hands it their session. What it calls
the server with is its own socket, though, and the kernel says whose that is (`server.peer_uid`).
"""

from collections import OrderedDict
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from server.assurance import PEER_KEY
from server.peer_uid import End, Unknowable, uid_of_peer

_REMEMBERED = 16_384


class PeerUser:
    """Puts `uid:NUMBER` into the scope under `key`, or nothing: the other end may be elsewhere. Pure ASGI.

    A proxy on this machine is a user, too: whoever comes by it holds their cookie as that user, today and tomorrow.
    """

    def __init__(self, app: ASGIApp, key: str, look_up: Callable[[End, End], int | None] = uid_of_peer) -> None:
        self._app = app
        self._key = key
        self._look_up = look_up
        self._known: OrderedDict[object, tuple[object, str | None]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            holder = self._holder(scope)
            if holder is not None:
                scope[self._key] = holder
        await self._app(scope, receive, send)

    def _holder(self, scope: Scope) -> str | None:
        # As in `server.assurance`: a port comes back with another user behind it, so it is this very tuple, made once a
        # connection, that is remembered.
        peer = scope.get(PEER_KEY, scope.get("client"))
        known = self._known.get(peer)
        if known is not None and known[0] is peer:
            self._known.move_to_end(peer)
            return known[1]
        holder = self._find(End.of(peer), End.of(scope.get("server")))
        self._known[peer] = (peer, holder)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return holder

    def _find(self, peer: End | None, ours: End | None) -> str | None:
        if peer is None or ours is None:
            return None
        try:
            uid = self._look_up(peer, ours)
        except Unknowable:
            return None
        return None if uid is None else f"uid:{uid}"
