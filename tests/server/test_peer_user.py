"""Whose program is at the other end stands in the scope, where the kernel tells it, and nothing of it can be forged."""

from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from server.assurance import PEER_KEY
from server.peer_uid import End, Unknowable
from server.peer_user import PeerUser

pytestmark = pytest.mark.anyio
KEY = "assent.holder"
SERVER = ("127.0.0.1", 7420)


class Seen:
    """An application that keeps the scopes it was called with."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)


class Kernel:
    """Knows whose sockets are whose, and how often it was asked."""

    def __init__(self, owners: dict[int, int]) -> None:
        self.owners = owners
        self.asked: list[End] = []

    def __call__(self, peer: End, ours: End) -> int | None:
        self.asked.append(peer)
        return self.owners.get(peer.port)


async def holder(user: PeerUser, seen: Seen, client: object, **more: Any) -> str | None:
    await user({"type": "http", "client": client, "server": SERVER, **more}, None, None)  # type: ignore[arg-type]
    found: str | None = seen.scopes[-1].get(KEY)
    return found


async def test_the_owner_of_the_other_end_is_named() -> None:
    seen, kernel = Seen(), Kernel({40000: 1000, 40001: 1001})
    user = PeerUser(seen, KEY, kernel)

    assert await holder(user, seen, ("127.0.0.1", 40000)) == "uid:1000"
    assert await holder(user, seen, ("127.0.0.1", 40001)) == "uid:1001"


async def test_nothing_is_said_of_whom_the_kernel_does_not_know() -> None:
    seen = Seen()

    def silent(peer: End, ours: End) -> int | None:
        raise Unknowable

    assert await holder(PeerUser(seen, KEY, Kernel({})), seen, ("192.0.2.7", 40000)) is None
    assert await holder(PeerUser(seen, KEY, silent), seen, ("127.0.0.1", 40000)) is None
    assert await holder(PeerUser(seen, KEY, Kernel({})), seen, None) is None


async def test_a_connection_is_asked_about_once_and_the_next_on_its_port_anew() -> None:
    seen, kernel = Seen(), Kernel({40000: 1000})
    user = PeerUser(seen, KEY, kernel)
    first: tuple[object, ...]
    first, second = (tuple(["127.0.0.1", port]) for port in (40000, 40000))  # noqa: C409  # equal, and not one
    assert await holder(user, seen, first) == "uid:1000"
    assert await holder(user, seen, first) == "uid:1000"
    kernel.owners[40000] = 1001

    assert await holder(user, seen, second) == "uid:1001"
    assert len(kernel.asked) == 2


async def test_it_is_the_real_other_end_that_counts_and_not_whom_a_proxy_speaks_for() -> None:
    seen, kernel = Seen(), Kernel({40000: 33})
    user = PeerUser(seen, KEY, kernel)

    assert await holder(user, seen, ("192.0.2.7", 0), **{PEER_KEY: ("127.0.0.1", 40000)}) == "uid:33"
