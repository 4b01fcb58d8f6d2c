"""A program of another user on this machine, such as an agent that is kept apart, gets a person's cookie. Then what?

It can get one: browsers send cookies to every port of a host, so a page under our name on its own port is enough.
"""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.server.house import PASSWORD, House, house_in

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root can act as another user, and Linux tells of it"
)
NOBODY = 65534


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = house_in(tmp_path_factory.mktemp("server"))
    house.serve()
    house.add_reviewer()
    yield house
    house.clear()


@contextmanager
def acting_as(uid: int) -> Iterator[None]:
    """Sockets made in the block are this user's."""
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)


def call(house: House, method: str, path: str, *, uid: int, body: str = "", **headers: str) -> str:
    """What the server answers to this user's own connection."""
    host = house.running.url.removeprefix("http://")
    port = int(host.rpartition(":")[2])
    lines = {
        "host": host,
        "origin": house.running.url,
        "connection": "close",
        "content-type": "application/x-www-form-urlencoded",
        "content-length": str(len(body)),
        **headers,
    }
    with acting_as(uid):
        connection = socket.create_connection(("127.0.0.1", port))
    with connection:
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        connection.sendall(f"{method} {path} HTTP/1.1\r\n{head}\r\n{body}".encode())
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def signed_in(house: House, uid: int) -> str:
    """The cookie of a new session of this user's browser."""
    form = f"username=ada&password={PASSWORD.replace(' ', '+').replace(',', '%2C')}"
    answer = call(house, "POST", "/login", uid=uid, body=form)
    assert " 303 " in answer.splitlines()[0], answer
    (line,) = [line for line in answer.splitlines() if line.lower().startswith("set-cookie:")]
    return line.partition(":")[2].strip().partition(";")[0]


def status(answer: str) -> int:
    return int(answer.split(" ", 2)[1])


def test_a_session_opens_from_the_hands_of_the_user_who_signed_in_and_of_nobody_else(house: House) -> None:
    cookie = signed_in(house, 0)

    assert status(call(house, "GET", "/api/requests", uid=0, cookie=cookie)) == 200
    assert status(call(house, "GET", "/api/requests", uid=NOBODY, cookie=cookie)) == 401
    assert status(call(house, "POST", "/logout", uid=NOBODY, cookie=cookie)) == 303
    # It was not ended either: its own user goes on.
    assert status(call(house, "GET", "/api/requests", uid=0, cookie=cookie)) == 200


@pytest.mark.parametrize("forged", ["{0}\0uid:0", '"{0}\\000uid:0"', "{0}%00uid:0", '"{0}"', "{0};{0}"])
def test_who_a_cookie_is_for_is_not_to_be_written_into_it(house: House, forged: str) -> None:
    name, _, secret = signed_in(house, 0).partition("=")

    answer = call(house, "GET", "/api/requests", uid=NOBODY, cookie=f"{name}={forged.format(secret)}")

    assert status(answer) in (400, 401)


def test_another_user_who_is_a_reviewer_signs_in_as_ever(house: House) -> None:
    cookie = signed_in(house, NOBODY)

    assert status(call(house, "GET", "/api/requests", uid=NOBODY, cookie=cookie)) == 200
    assert status(call(house, "GET", "/api/requests", uid=0, cookie=cookie)) == 401
