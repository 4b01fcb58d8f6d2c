"""Calls that two readers would cut apart at different places are refused by the server before anything reads them."""

import anyio
import pytest

from tests.hostile.world import World

pytestmark = pytest.mark.anyio

BODY = b'{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}'


@pytest.mark.parametrize(
    "headers",
    [
        (b"Host: %(host)s", b"Host: evil.example", b"Content-Length: 51"),
        (b"Content-Length: 51",),
        (b"Host: %(host)s", b"Content-Length: 51", b"Content-Length: 0"),
        (b"Host: %(host)s", b"Transfer-Encoding: chunked, identity"),
        (b"Host: %(host)s", b"Content-Length: +51"),
        (b"Host: %(host)s", b"Content-Length : 51"),
        (b"Host: %(host)s", b"X: a\x00b", b"Content-Length: 51"),
    ],
    ids=lambda headers: b" ".join(headers).decode("latin-1"),
)
async def test_an_ambiguous_call_is_not_carried_out(world: World, token: str, headers: tuple[bytes, ...]) -> None:
    host, _, port = world.url.removeprefix("http://").partition(":")
    before = await world.rows()
    lines = [
        b"POST /mcp HTTP/1.1",
        *(line.replace(b"%(host)s", f"{host}:{port}".encode()) for line in headers),
        b"Authorization: Bearer " + token.encode(),
        b"Content-Type: application/json",
        b"Accept: application/json, text/event-stream",
    ]
    async with await anyio.connect_tcp(host, int(port)) as stream:
        await stream.send(b"\r\n".join(lines) + b"\r\n\r\n" + BODY)
        with anyio.fail_after(20):
            answer = await stream.receive()
    assert int(answer.split()[1]) in (400, 411, 501)
    assert await world.rows() == before
