"""What is claimed of a caller is never more than what can be told."""

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from server.assurance import (
    PEER_KEY,
    PROXIED_KEY,
    Connections,
    Scope,
    assurance_of,
    bridged,
    came_with_bridge_secret,
    claim,
)
from server.peer_uid import End, Unknowable, uid_in_answer, uid_in_tables, uid_of_peer
from store.audit.events import Assurance

OWN, OTHER, ROOT = 1000, 1001, 0
LOCAL = ("127.0.0.1", 40000)
SERVER = ("127.0.0.1", 7420)
AWAY = ("192.0.2.7", 40000)


def scope_of(client: object, **more: object) -> Scope:
    return {"type": "http", "client": client, "server": SERVER, **more}


@pytest.mark.parametrize(
    ("client", "uid", "proxied", "claimed"),
    [
        (LOCAL, OWN, False, Assurance.SHARED_USER),
        (LOCAL, OTHER, False, Assurance.SEPARATE_USER),
        (LOCAL, ROOT, False, Assurance.SHARED_USER),
        (LOCAL, None, False, Assurance.SHARED_USER),
        (SERVER, None, False, Assurance.SHARED_USER),
        (AWAY, None, False, Assurance.REMOTE),
        (AWAY, OWN, False, Assurance.SHARED_USER),
        (AWAY, OTHER, False, Assurance.SEPARATE_USER),
        (AWAY, None, True, Assurance.REMOTE),
        (LOCAL, ROOT, True, Assurance.SEPARATE_USER),
        (LOCAL, OTHER, True, Assurance.SEPARATE_USER),
        (LOCAL, OWN, True, Assurance.SHARED_USER),
    ],
)
def test_the_claim_follows_from_who_owns_the_other_end(
    client: tuple[str, int], uid: int | None, proxied: bool, claimed: Assurance
) -> None:
    peer, ours = End.of(client), End.of(SERVER)
    assert peer is not None
    assert ours is not None

    assert claim(peer, ours, uid, own_uid=OWN, proxied=proxied) is claimed


def test_a_caller_with_the_bridges_secret_shares_the_servers_user_whoever_the_kernel_says_it_is() -> None:
    scope = scope_of(AWAY)
    came_with_bridge_secret(scope)

    assert bridged(scope)
    assert assurance_of(scope) is Assurance.SHARED_USER


@pytest.mark.parametrize("client", [None, ("not an address", 1), ("/run/socket", None), ()])
def test_a_caller_without_an_internet_address_gets_the_weakest_claim(client: object) -> None:
    assert Connections(lambda *_: OTHER, own_uid=OWN).assurance(scope_of(client)) is Assurance.SHARED_USER


@pytest.mark.parametrize(
    ("client", "claimed"), [(LOCAL, Assurance.SHARED_USER), (SERVER, Assurance.SHARED_USER), (AWAY, Assurance.REMOTE)]
)
def test_where_the_kernel_tells_nothing_only_another_machines_caller_is_claimed_to_be_apart(
    client: tuple[str, int], claimed: Assurance
) -> None:
    def silent(peer: End, ours: End) -> int | None:
        raise Unknowable

    assert Connections(silent, own_uid=OWN).assurance(scope_of(client)) is claimed


def test_the_kernel_is_asked_once_a_connection_and_again_for_the_next_one_from_the_same_port() -> None:
    asked: list[End] = []
    users = iter((OTHER, OWN))

    def look_up(peer: End, ours: End) -> int:
        asked.append(peer)
        return next(users)

    connections = Connections(look_up, own_uid=OWN)
    first, second = (tuple(pair) for pair in (["127.0.0.1", 5], ["127.0.0.1", 5]))
    assert first is not second

    assert [connections.assurance(scope_of(first)) for _ in range(3)] == [Assurance.SEPARATE_USER] * 3
    assert connections.assurance(scope_of(second)) is Assurance.SHARED_USER
    assert len(asked) == 2


def test_the_real_peer_counts_and_not_the_address_that_a_proxy_names() -> None:
    scope = scope_of(AWAY, **{PEER_KEY: LOCAL, PROXIED_KEY: True})

    assert Connections(lambda *_: OTHER, own_uid=OWN).assurance(scope) is Assurance.SEPARATE_USER


# Asking the kernel


@pytest.fixture(params=["127.0.0.1", "::1"])
def connection(request: pytest.FixtureRequest) -> Iterator[tuple[End, End]]:
    """A connection of this very process: the client's end, the server's end."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((request.param, 0), family=family))
        stack.enter_context(socket.create_connection(listener.getsockname()[:2]))
        accepted, peer = listener.accept()
        stack.enter_context(accepted)
        one, other = End.of(peer[:2]), End.of(listener.getsockname()[:2])
        assert one is not None
        assert other is not None
        yield one, other


linux = pytest.mark.skipif(not os.path.exists("/proc/self/net/tcp"), reason="only Linux tells whose sockets are whose")


@linux
def test_the_kernel_names_the_user_behind_a_connection(connection: tuple[End, End]) -> None:
    assert uid_of_peer(*connection) == os.geteuid()


@linux
def test_the_kernels_table_names_the_same_user(connection: tuple[End, End]) -> None:
    tables = [Path(f"/proc/self/net/{name}").read_text("ascii") for name in ("tcp", "tcp6")]

    assert uid_in_tables(tables, *connection) == os.geteuid()


@linux
def test_an_end_that_is_nobodys_here_has_no_user(connection: tuple[End, End]) -> None:
    stranger = End.of(("192.0.2.7", 9))
    assert stranger is not None

    assert uid_of_peer(stranger, connection[1]) is None


def test_an_ipv4_peer_in_ipv6_clothes_is_the_same_peer() -> None:
    assert End.of(("::ffff:127.0.0.1", 40000)) == End.of(LOCAL)


def test_an_answer_of_the_kernel_is_read_for_an_open_connection_only() -> None:
    header = struct.pack("=IHHII", 88, 20, 0, 1, 0)

    def answer(state: int) -> bytes:
        return header + bytes([2, state, 0, 0]) + bytes(48) + struct.pack("=IIIII", 0, 0, 0, OTHER, 7)

    assert uid_in_answer(answer(1)) == OTHER
    assert uid_in_answer(answer(6)) is None


def test_an_error_of_the_kernel_is_no_user() -> None:
    header = struct.pack("=IHHII", 36, 2, 0, 1, 0)

    assert uid_in_answer(header + struct.pack("=i", -2) + bytes(16)) is None
    with pytest.raises(PermissionError):
        uid_in_answer(header + struct.pack("=i", -1) + bytes(16))
