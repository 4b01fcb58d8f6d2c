"""Being stopped while a thousand calls wait: each learns in time that its question is open, and the process is gone.

The clock runs from SIGTERM until every call has its answer and the process has ended, whichever comes last.
"""

import asyncio
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from tests.bench.sides import AT_ONCE_PER_AGENT, Assent, assent_process
from tests.bench.table import Row
from tests.bench.wire import LAST_CHUNK, META, Wire

CALLS = 1_000
AT_ONCE = 100
PATIENCE = 90.0
LOOK_SECONDS = 0.2
BUDGET_SECONDS = 2.0
OLDER = "2025-11-25"
CLIENT = "io.modelcontextprotocol/clientInfo"
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"

Ask = Callable[[Assent, int], Awaitable[Wire]]


@dataclass(frozen=True)
class Stop:
    """How stopping went, in seconds: when each call was told that its question is open, and when the process ended.

    `worked` is the processor's time for it, which is all that says something on a machine with other work to do.
    """

    told: list[float]
    gone: float
    worked: float


async def rows() -> list[Row]:
    return [
        await _row("newer era", _newer, b'"status":"pending"'),
        await _row("newer era, with tasks", _tasked, b'"resultType":"task"'),
        await _row("older era", _older, b'"status":"pending"'),
    ]


async def _row(era: str, ask: Ask, mark: bytes) -> Row:
    stop = await _stopped(ask, mark)
    last = max(stop.told, default=0.0)
    seconds = max(last, stop.gone)
    return Row(
        f"stopped with {CALLS:,} waiting calls, {era}",
        "",
        f"{seconds:.2f} s",
        "",
        f"<= {BUDGET_SECONDS:.0f} s",
        seconds <= BUDGET_SECONDS and len(stop.told) == CALLS,
        f"{len(stop.told):,} were told, the last after {last:.2f} s; the process was gone after {stop.gone:.2f} s and "
        f"{stop.worked:.2f} s of processor time",
    )


async def _stopped(ask: Ask, mark: bytes) -> Stop:
    async with assent_process(CALLS // AT_ONCE_PER_AGENT) as side:
        wires: list[Wire] = []
        try:
            for start in range(0, CALLS, AT_ONCE):
                wires += await asyncio.gather(*(ask(side, number) for number in range(start, start + AT_ONCE)))
            async with asyncio.timeout(PATIENCE):
                while await side.waiting() < CALLS:  # noqa: ASYNC110  # another process is asked
                    await asyncio.sleep(LOOK_SECONDS)
            end = os.pidfd_open(side.pid)
            before, began = _processor(side.pid), time.perf_counter()
            os.kill(side.pid, signal.SIGTERM)
            answers = asyncio.gather(*(_told(wire, mark, began) for wire in wires))
            gone, told = await asyncio.gather(_ended(end, began), answers)
            return Stop([seconds for seconds in told if seconds is not None], gone, _processor(side.pid) - before)
        finally:
            for wire in wires:
                wire.close()


async def _told(wire: Wire, mark: bytes, began: float) -> float | None:
    """Seconds until a call was answered as it should be; None if it was not."""
    try:
        answer = await wire.answer()
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return time.perf_counter() - began if mark in answer.replace(b'\\"', b'"') else None


async def _ended(process: int, began: float) -> float:
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(process, over.set)
    try:
        await over.wait()
        return time.perf_counter() - began
    finally:
        loop.remove_reader(process)
        os.close(process)


def _processor(pid: int) -> float:
    """Seconds that a process has used; one that ended keeps the number until its parent has asked after it."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _newer(side: Assent, number: int) -> Wire:
    wire = await Wire.to(side.port)
    wire.send("POST", "/mcp", *side.call(number))
    return wire


async def _tasked(side: Assent, number: int) -> Wire:
    wire = await Wire.to(side.port)
    headers, body = side.call(number)
    call = json.loads(body)
    call["params"]["_meta"][CAPABILITIES] = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
    wire.send("POST", "/mcp", headers, json.dumps(call).encode())
    return wire


async def _older(side: Assent, number: int) -> Wire:
    """A session of its own, as each program has that asks one thing."""
    wire = await Wire.to(side.port)
    headers, _ = side.call(number)
    headers = {name: value for name, value in headers.items() if not name.startswith("mcp-")}
    hello = {"protocolVersion": OLDER, "capabilities": {}, "clientInfo": META[CLIENT]}
    wire.send("POST", "/mcp", headers, _message("initialize", 0, hello))
    head = (await wire.reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    await wire.reader.readuntil(LAST_CHUNK)
    session = head.partition("mcp-session-id: ")[2].partition("\r\n")[0]
    headers |= {"mcp-session-id": session, "mcp-protocol-version": OLDER}
    wire.send("POST", "/mcp", headers, _message("notifications/initialized"))
    await wire.reader.readuntil(b"\r\n\r\n")
    _, body = side.call(number)
    params = json.loads(body)["params"]
    del params["_meta"]
    wire.send("POST", "/mcp", headers, _message("tools/call", 1, params))
    return wire


def _message(method: str, number: int | None = None, params: object = None) -> bytes:
    message: dict[str, object] = {"jsonrpc": "2.0", "method": method}
    message |= {} if number is None else {"id": number}
    message |= {} if params is None else {"params": params}
    return json.dumps(message).encode()
