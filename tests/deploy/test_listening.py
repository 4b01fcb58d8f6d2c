"""The port is taken for both kinds of local addresses, and a supervisor hears when the server is up."""

import socket
from pathlib import Path

import pytest

from server.config import Settings
from server.home import Home
from server.listener import bind
from server.supervisor import READY, tell
from store.problems import Problem

has_ipv6 = pytest.mark.skipif(not socket.has_ipv6, reason="this system has no IPv6")


def settings(host: str = "127.0.0.1", port: int = 0) -> Settings:
    return Settings(Home(Path("/h")), host=host, port=port)


@has_ipv6
@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "assent.localhost"])
def test_on_one_machine_nobody_else_can_listen_where_a_browser_might_look_for_the_page(host: str) -> None:
    taken = bind(settings(host))

    assert {listener.getsockname()[0] for listener in taken} == {"127.0.0.1", "::1"}
    assert len({listener.getsockname()[1] for listener in taken}) == 1
    for listener in taken:
        listener.close()


@has_ipv6
def test_a_program_that_listens_where_a_browser_might_look_first_is_a_reason_not_to_start() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as squatter:
        port = squatter.getsockname()[1]
        with pytest.raises(Problem, match=f"port {port} of ::1 is taken"):
            bind(settings(port=port))
        # The half that was free is given back.
        with socket.create_server(("127.0.0.1", port)):
            pass


def test_an_address_of_another_kind_is_taken_alone() -> None:
    (listener,) = bind(settings("127.0.0.2"))

    assert listener.getsockname()[0] == "127.0.0.2"
    listener.close()


@pytest.mark.parametrize("name", ["file", "abstract"])
def test_the_supervisor_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    address = str(tmp_path / "n") if name == "file" else f"@assent-test-{tmp_path.name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(address if name == "file" else "\0" + address[1:])
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        tell(READY)

        assert supervisor.recv(64) == b"READY=1"


@pytest.mark.parametrize("address", ["", "/nowhere/at/all", "relative"])
def test_without_a_supervisor_nothing_happens(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)

    tell(READY)
