"""What tests of governed calls stand on: a policy with two upstreams, their definitions, and short ways to call."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from store.agents import Agent
from store.answers import Chosen
from store.asking import Ticket
from store.audit.canonical import decode
from store.audit.events import CallEnd
from store.audit.reading import entries
from store.calls.calls import Admitted, Ended, GovernedCall
from store.calls.definitions import Definition, Method, resources_of
from store.calls.feed import Line, Wanted
from store.calls.service import Calls
from store.database import Database
from store.deciding.governing import Denied
from store.desk import Desk
from store.people import Reviewer
from store.policy.active import Via, parsed
from store.policy.upstreams import Upstream
from tests.stage import answered

UPSTREAMS = """version: 1
upstreams:
  files: {command: files-server}
  pay: {url: "https://pay.example/mcp", idempotency_argument: request_key}
rules:
"""
RULES = (
    "{name: reads, tool: 'files__read_*', action: allow}",
    "{name: writes, tool: 'files__write', action: notice}",
    "{name: payments, tool: 'pay__send', args: {amount: {gt: 10}}, action: hold}",
    "{name: small, tool: 'pay__send', args: {amount: {gt: 0, le: 10}}, action: allow}",
    "{name: never, tool: '*__drop', action: deny, reason: Ask the database team.}",
    "{name: notes, tool: 'files:resources', action: allow}",
    "{name: greetings, tool: 'files:prompts/*', action: allow}",
)


def text_of(*rules: str) -> str:
    return UPSTREAMS + "".join(f"  - {rule}\n" for rule in rules)


def tampered(home: Path, text: str) -> None:
    """Another program puts this text in the place of the rules in force."""
    with closing(sqlite3.connect(home / "assent.db")) as other, other:
        other.execute("UPDATE policies SET text = ?", (text,))


async def in_force(desk: Desk, *rules: str, text: str | None = None) -> str:
    """Put rules in force, and say what was."""
    text = text_of(*(rules or RULES)) if text is None else text
    await desk.policies.activate(text, reviewer=None, via=Via.COMMAND_LINE)
    return text


def upstream(name: str = "files", text: str | None = None) -> Upstream:
    return next(one for one in parsed(text or text_of(*RULES)).upstreams if one.name == name)


def tool(name: str, *, of: str = "files", description: str = "What it does.", **schema: Any) -> Definition:
    content = {
        "name": name,
        "description": description,
        "inputSchema": {"type": "object", **schema},
    }
    return Definition(of, Method.TOOL, name, content)


READ = tool("read_text", properties={"path": {"type": "string"}}, required=["path"])
WRITE = tool("write", properties={"path": {"type": "string"}, "text": {"type": "string"}})
DROP = tool("drop")
GREETING = Definition("files", Method.PROMPT, "greeting", {"name": "greeting", "arguments": [{"name": "to"}]})
SEND = tool(
    "send",
    of="pay",
    properties={"amount": {"type": "number"}, "to": {"type": "string"}, "request_key": {"type": "string"}},
    required=["amount", "request_key"],
)
FILES = (READ, WRITE, DROP, GREETING)


async def listed(calls: Calls, text: str | None = None) -> None:
    """Both upstreams list what they have for the first time."""
    await calls.observe(upstream("files", text), FILES)
    await calls.observe(upstream("pay", text), [SEND])


def call(definition: Definition = READ, **arguments: Any) -> GovernedCall:
    return GovernedCall(
        upstream=definition.upstream,
        method=definition.method,
        name=definition.name,
        governed_as=definition.governed_as,
        definition_sha256=definition.sha256,
        arguments=arguments,
    )


def reading(uri: str = "test://text") -> GovernedCall:
    return GovernedCall("files", Method.RESOURCE, "", resources_of("files"), None, {"uri": uri})


def send(amount: Any = 500, **more: Any) -> GovernedCall:
    return call(SEND, amount=amount, **more)


async def admitted(calls: Calls, agent: Agent, wanted: GovernedCall) -> Admitted:
    found = await calls.admit(agent, wanted, None)
    assert isinstance(found, Admitted), found
    return found


async def held(calls: Calls, agent: Agent, wanted: GovernedCall) -> Ticket:
    found = await calls.admit(agent, wanted, None)
    assert isinstance(found, Ticket), found
    return found


async def denied(calls: Calls, agent: Agent, wanted: GovernedCall) -> str:
    """Why it was denied."""
    found = await calls.admit(agent, wanted, None)
    assert isinstance(found, Denied), found
    return found.why


async def approved(desk: Desk, agent: Agent, reviewer: Reviewer, wanted: GovernedCall) -> str:
    """A held call that this reviewer approved; its request."""
    ticket = await held(desk.calls, agent, wanted)
    await answered(desk, reviewer, ticket.request_id, Chosen("run"))
    return ticket.request_id


def returned(text: str = "done") -> Ended:
    return Ended(CallEnd.RETURNED, result={"content": [{"type": "text", "text": text}], "isError": False})


async def read(desk: Desk, agent: Agent, path: str = "a", ended: Ended | None = None) -> str:
    """An allowed call that has ended; its id."""
    going = await admitted(desk.calls, agent, call(READ, path=path))
    await desk.calls.finish(going.call_id, ended or returned())
    return going.call_id


async def lines(desk: Desk, wanted: Wanted | None = None) -> tuple[Line, ...]:
    return (await desk.watching.look()).page(wanted or Wanted())


async def log(database: Database, *kinds: str) -> list[dict[str, Any]]:
    """The entries of these types, in order."""
    found = await database.read(lambda connection: entries(connection, 0, 10_000))
    return [entry for _, data in found if (entry := decode(data))["type"] in kinds]
