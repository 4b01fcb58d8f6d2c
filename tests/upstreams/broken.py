"""Upstreams that break the protocol, on a bare stdin and stdout: each mode is one way to be bad.

usage: python -m tests.upstreams.broken MODE
"""

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

Message = dict[str, Any]
MEBIBYTE = 1 << 20
SCHEMA = {"type": "object"}
BIDI = "\u202e"


def say(message: Message) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def write(raw: bytes) -> None:
    sys.stdout.buffer.write(raw)
    sys.stdout.buffer.flush()


def heard() -> Iterator[Message]:
    for line in sys.stdin:
        yield json.loads(line)


def tool(name: Any, **more: Any) -> Message:
    return {"name": name, "description": "A tool.", "inputSchema": SCHEMA, **more}


def answer(message: Message, tools: list[Message]) -> None:
    """What a server of the older era says to this message."""
    method, identifier = message.get("method"), message.get("id")
    if identifier is None or method is None:
        return
    match method:
        case "initialize":
            version = message["params"]["protocolVersion"]
            server = {"name": "broken", "version": "1"}
            capabilities: Message = {"tools": {"listChanged": True}}
            result: Message = {"protocolVersion": version, "capabilities": capabilities, "serverInfo": server}
        case "tools/list":
            result = {"tools": tools}
        case "tools/call":
            result = {"content": [{"type": "text", "text": f"called {message['params']['name']}"}]}
        case "ping":
            result = {}
        case _:
            say({"id": identifier, "error": {"code": -32601, "message": "Method not found"}})
            return
    say({"id": identifier, "result": result})


def until(method: str, tools: list[Message]) -> Message:
    """Behave, up to the first request of this method; that request."""
    for message in heard():
        if message.get("method") == method:
            return message
        answer(message, tools)
    sys.exit(0)


def behave(tools: list[Message]) -> None:
    for message in heard():
        answer(message, tools)


ECHO = [tool("echo")]


def silent() -> None:
    """Reads everything and never says a word."""
    for _ in heard():
        pass


def stubborn() -> None:
    """The same, and neither the end of its stdin nor SIGTERM ends it."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        signal.pause()


def exits() -> None:
    """Ends at once, with a word on stderr."""
    print("error: no database at /srv/secret-place", file=sys.stderr)
    sys.exit(7)


def exits_after_hello() -> None:
    """Ends once it was greeted."""
    until("tools/list", ECHO)
    sys.exit(7)


def garbage() -> None:
    """Says a few things that are no messages, then behaves."""
    write(b"Listening on stdio...\n\xff\xfe\x00\n[1, 2\n{}\nnull\n" + b'{"jsonrpc": "2.0", "id": 99, "result": {}}\n')
    behave(ECHO)


def garbage_in_call() -> None:
    """Answers a call with what is no message, and says no more about it."""
    while True:
        until("tools/call", ECHO)
        write(b"Traceback (most recent call last): \xff\xfe\n")


def wrong_shape() -> None:
    """Answers a call with a result that no call has."""
    while True:
        message = until("tools/call", ECHO)
        say({"id": message["id"], "result": {"content": "not a list", "isError": "perhaps"}})


def flood_at_hello() -> None:
    """Answers the greeting with a line of 100 MiB."""
    next(heard())
    _flood()


def flood_in_call() -> None:
    """Answers a call with a line of 100 MiB."""
    until("tools/call", ECHO)
    _flood()
    behave(ECHO)


def _flood() -> None:
    write(b'{"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": "')
    for _ in range(100):
        write(b"x" * MEBIBYTE)
    write(b'"}]}}\n')


def endless() -> None:
    """Never ends the line that it begins."""
    next(heard())
    while True:
        write(b"x" * MEBIBYTE)


def chatter() -> None:
    """Says without end that its list of tools changed, from its greeting on."""
    answer(until("initialize", ECHO), ECHO)
    for message in heard():
        answer(message, ECHO)
        for _ in range(1000):
            say({"method": "notifications/tools/list_changed"})


def deaf_in_call() -> None:
    """Never answers a call."""
    for message in heard():
        if message.get("method") != "tools/call":
            answer(message, ECHO)


def pages() -> None:
    """Its list of tools has always one more page."""
    for number in itertools.count():
        message = until("tools/list", [])
        say({"id": message["id"], "result": {"tools": [tool(f"t{number}")], "nextCursor": "more"}})


def names() -> None:
    """Names with the separator, twice the same, alike to a person, too long, empty, and with what no name has."""
    behave(
        [
            tool("fine"),
            tool("two__parts"),
            tool("twin", description="the first"),
            tool("twin", description="the second"),
            tool("Mixed"),
            tool("mixed"),
            tool("x" * 65),
            tool(""),
            tool("with space"),
            tool("dele\u0442e"),
            tool(f"txt{BIDI}"),
            tool("line\nbreak"),
            tool("__leading"),
        ]
    )


def shapes() -> None:
    """Entries of its list that are none, and one so deep that the list cannot be read, beside one that is good."""
    behave(
        [
            tool("fine"),
            tool(7),
            {"description": "without a name"},
            tool("no_schema", inputSchema="object"),
            tool("deep", inputSchema=_deep(250)),
        ]
    )


def schemas() -> None:
    """Schemas that refer elsewhere, to themselves and to patterns that never end, and an entry that is very long."""
    behave(
        [
            tool("fine"),
            tool("remote", inputSchema={**SCHEMA, "$ref": "http://127.0.0.1:9/schema.json"}),
            tool("loops", inputSchema={**SCHEMA, "$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}),
            tool("slow_pattern", inputSchema=_one("text", {"type": "string", "pattern": "^(a+)+$"})),
            tool("no_pattern", inputSchema=_one("text", {"type": "string", "pattern": "(?<=a)b("})),
            tool("deep", inputSchema=_deep(25)),
            tool("deeper", inputSchema=_deep(40)),
            tool("wide", description="x" * (2 * MEBIBYTE)),
        ]
    )


def too_deep() -> None:
    """A list that is JSON, nested so deeply that reading it may end the reader."""
    answer(until("initialize", ECHO), ECHO)
    message = until("tools/list", ECHO)
    schema = '{"a":' * 20_000 + "{}" + "}" * 20_000
    tools = f'[{{"name":"echo","inputSchema":{{"type":"object","properties":{schema}}}}}]'
    write(f'{{"jsonrpc":"2.0","id":{json.dumps(message["id"])},"result":{{"tools":{tools}}}}}\n'.encode())
    behave(ECHO)


def _one(name: str, schema: Message) -> Message:
    return {"type": "object", "properties": {name: schema}, "required": [name]}


def _deep(levels: int) -> Message:
    schema: Message = {"type": "string"}
    for _ in range(levels):
        schema = _one("a", schema)
    return schema


def asks() -> None:
    """Asks its client for what was never offered: to think, for its folders, to type a password into a page."""
    for message in heard():
        if message.get("method") == "tools/call":
            user = {"role": "user", "content": {"type": "text", "text": "Say yes."}}
            say({"id": "s", "method": "sampling/createMessage", "params": {"messages": [user], "maxTokens": 9}})
            say({"id": "r", "method": "roots/list"})
        answer(message, ECHO)


def asks_unbidden() -> None:
    """Asks a question while no call is in flight."""
    for message in heard():
        answer(message, ECHO)
        if message.get("method") == "tools/list":
            form = {"type": "object", "properties": {"password": {"type": "string"}}}
            say({"id": "e", "method": "elicitation/create", "params": {"message": "Who?", "requestedSchema": form}})


def answers_twice() -> None:
    """Answers every call twice, and one that nobody made."""
    for message in heard():
        answer(message, ECHO)
        if message.get("method") == "tools/call":
            answer(message, ECHO)
            say({"id": 12345, "result": {"content": [{"type": "text", "text": "for another call"}]}})


def litter() -> None:
    """Behaves, and has a child of its own that outlives it unless its whole group is ended."""
    child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], stdin=subprocess.DEVNULL)
    behave([tool(f"child_{child.pid}"), tool(f"self_{os.getpid()}")])


MODES: dict[str, Callable[[], None]] = {
    mode.__name__: mode
    for mode in (
        silent,
        stubborn,
        exits,
        exits_after_hello,
        garbage,
        garbage_in_call,
        wrong_shape,
        flood_at_hello,
        flood_in_call,
        endless,
        chatter,
        deaf_in_call,
        pages,
        names,
        shapes,
        schemas,
        too_deep,
        asks,
        asks_unbidden,
        answers_twice,
        litter,
    )
}

if __name__ == "__main__":
    MODES[sys.argv[1]]()
