"""How far the agent's side is kept from the server's own files: what each entry of the log says about its call.

The claim is never stronger than what can be told. An agent that runs as the server's own user could read keys and
database, whatever token it shows; so could root. Only a peer of another user, or one that is not on this machine, is
claimed to be kept apart.
"""

import os
from collections import OrderedDict
from collections.abc import Callable, MutableMapping
from typing import Any

from server.peer_uid import End, Unknowable, uid_of_peer
from store.audit.events import Assurance

Scope = MutableMapping[str, Any]
LookUp = Callable[[End, End], int | None]

PEER_KEY = "assent.peer"
"""Where `server.edge` keeps the real other end of the connection, before a proxy's word about it is taken."""
PROXIED_KEY = "assent.proxied"
"""Whether that end is the named proxy, and speaks for somebody else."""
_BRIDGE_KEY = "assent.bridge"
_REMEMBERED = 16_384
_ROOT = 0


def came_with_bridge_secret(scope: Scope) -> None:
    """Say that this call was opened by the local bridge's secret: its sender can read the home."""
    scope[_BRIDGE_KEY] = True


def bridged(scope: Scope) -> bool:
    """Whether the local bridge's secret opened this call."""
    return bool(scope.get(_BRIDGE_KEY))


def assurance_of(scope: Scope) -> Assurance:
    """What may be claimed of the caller of this HTTP request. Cheap: the kernel is asked once a connection."""
    if bridged(scope):
        return Assurance.SHARED_USER
    return _connections.assurance(scope)


class Connections:
    """What was found out about each connection, for as long as it is remembered."""

    def __init__(self, look_up: LookUp = uid_of_peer, *, own_uid: int | None = None) -> None:
        self._look_up = look_up
        self._own_uid = os.geteuid() if own_uid is None and hasattr(os, "geteuid") else own_uid
        self._known: OrderedDict[object, tuple[object, Assurance]] = OrderedDict()

    def assurance(self, scope: Scope) -> Assurance:
        peer, proxied = scope.get(PEER_KEY, scope.get("client")), bool(scope.get(PROXIED_KEY))
        # A port comes back with another user behind it, so an equal address proves nothing: the server makes one tuple
        # a connection, and it is this very tuple that is remembered.
        key = (peer, proxied)
        known = self._known.get(key)
        if known is not None and known[0] is peer:
            self._known.move_to_end(key)
            return known[1]
        found = self._find(End.of(peer), End.of(scope.get("server")), proxied=proxied)
        self._known[key] = (peer, found)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return found

    def _find(self, peer: End | None, ours: End | None, *, proxied: bool) -> Assurance:
        if peer is None or ours is None or self._own_uid is None:
            return Assurance.SHARED_USER
        try:
            uid = self._look_up(peer, ours)
        except Unknowable:
            uid = None
        return claim(peer, ours, uid, own_uid=self._own_uid, proxied=proxied)


def claim(peer: End, ours: End, uid: int | None, *, own_uid: int, proxied: bool) -> Assurance:
    """What may be claimed of a peer. `uid` owns its socket, None when no socket of this machine is at that end.

    `proxied` says that the peer comes from the named proxy's address and speaks for somebody else. A proxy on another
    machine speaks for callers that are elsewhere too. One on this machine shares its address with every local program,
    each of which could say as much: that it is another user's is all that is certain.
    """
    if uid is None:
        # From this machine, and yet no open socket: it hung up meanwhile, or this system does not tell.
        on_this_machine = peer.address.is_loopback or peer.address == ours.address
        return Assurance.SHARED_USER if on_this_machine else Assurance.REMOTE
    if uid == own_uid or (uid == _ROOT and not proxied):
        return Assurance.SHARED_USER
    return Assurance.SEPARATE_USER


_connections = Connections()
