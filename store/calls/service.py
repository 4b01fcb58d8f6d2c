"""Governed calls: every use case of them, for the gateway and the site alike.

Each method is one change or one query, as in `store.desk`. Of an allowed call there are two changes, and the gateway
waits for both: that it will be sent, and what came of it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import anyio.to_thread

from store.agents import Agent
from store.answers import Fault
from store.asking import Limits, Ticket
from store.audit.events import CallEnd
from store.calls import admission, health, judgement, listings, pins, recorded, running
from store.calls.calls import Admitted, Ended, GovernedCall, NotRunnable, Released, Run
from store.calls.definitions import Definition, Method, Pinned
from store.calls.denying import deny
from store.calls.digest import digest_of
from store.calls.health import UpstreamHealth
from store.calls.recorded import Recorded
from store.calls.running import Outcome
from store.calls.schema import faults, quick_faults, taken
from store.database import Change, Database, Transaction
from store.deciding.governing import Denied
from store.held_back import Halt
from store.people import Reviewer
from store.policy.active import active
from store.policy.clients import own_tool, own_tool_fault
from store.policy.upstreams import Upstream
from store.strict_json import shortened

T = TypeVar("T")

SCHEMAS_KEPT = 2_048
_NOT_SENT = Ended(CallEnd.CANCELLED, is_error=True, why="its caller went away before it was sent", sent=False)
LARGE = 32_768
"""Characters from which on work on a value is done beside the event loop."""


class Calls:
    """What upstreams define, the calls of it, and how the upstreams are doing."""

    def __init__(self, database: Database, limits: Limits | None = None) -> None:
        self._database = database
        self._limits = limits or Limits()
        # By the hash of the definition, so that what stands here is right for as long as it stands here.
        self._schemas: dict[tuple[Method, str], Any] = {}

    # The gateway's side: calls

    async def admit(self, agent: Agent, call: GovernedCall, call_id: str | None) -> Admitted | Ticket | Denied:
        """Let a call through, hold it, or deny it. `call_id` is the client's own for it.

        `Admitted` may be sent at once, and `finish` must follow. A `Ticket` is a hold on the request that asks people;
        `begin` runs it once they approved. `Denied` says why; the record of it is durable.

        Of a tool of the client's own (`Method.OWN`) `Admitted` says that it may run, and all is written: nothing
        follows. For a held one there is `release`.

        Raises:
            PolicyUnreadable: nobody can say what the rules are; nothing is sent, and nobody was asked.
        """
        if call.method is Method.OWN and (wrong_name := own_tool_fault(call.upstream, call.name)) is not None:
            return await self.refuse(agent, own_tool(shortened(call.upstream), shortened(call.name)), wrong_name)
        found = await _beside(taken, call.arguments, large=not _is_small(call.arguments))
        if isinstance(found, Fault):
            return await self._misfit(agent, call, None, [found])
        # Judged, shown, approved, recorded and sent is one and the same, to the type of each number.
        settled_arguments, arguments = found
        call = replace(call, arguments=settled_arguments)
        wrong = await self._faults(call, large=len(arguments) > LARGE)
        if wrong:
            return await self._misfit(agent, call, arguments, wrong)
        return await self._send_or_take_back(
            lambda change: admission.admit(change, agent, call, arguments, self._limits, call_id)
        )

    async def refuse(self, agent: Agent, tool: str, why: str, arguments: Mapping[str, Any] | None = None) -> Denied:
        """Record a call that was turned away before it could be judged: a name that nothing has, say."""
        found = None
        if arguments is not None:
            found = await _beside(taken, arguments, large=not _is_small(arguments))
        text = found[1] if isinstance(found, tuple) else None
        return await self._database.write(
            lambda change: deny(change, agent, tool=tool, why=why, arguments=text, policy_sha256=_policy_sha256(change))
        )

    async def begin(self, agent: Agent, request_id: str) -> Admitted | Run | NotRunnable | Halt:
        """Let an approved call run: `Admitted` once and to one caller, the `Run` to all who come later.

        `Halt`: people stopped the agent, and it stays approved.

        Raises:
            PolicyUnreadable, DatabaseProblem: nothing is sent.
        """
        return await self._send_or_take_back(lambda change: admission.begin(change, agent, request_id))

    async def release(self, agent: Agent, request_id: str) -> Released | NotRunnable:
        """Let a tool of the agent's own run that people approved: once, judged again, and all of it written down.

        Whatever asks again finds the approval used.

        Raises:
            PolicyUnreadable, DatabaseProblem: it may not run.
        """
        return await self._database.write(lambda change: admission.release(change, agent, request_id))

    async def finish(self, call_id: str, ended: Ended) -> None:
        """Keep what came of a call that was admitted. It is durable before the agent may have it."""
        outcome = await _outcome(ended)
        await self._database.write(lambda change: running.finish(change, call_id, outcome))

    async def run_of(self, agent: Agent, request_id: str) -> Run | None:
        """The run of an approved call; None while it was not sent, and for what is not this agent's, or what its client
        runs itself."""
        run = await self._database.read(lambda connection: running.run_of(connection, agent.id, request_id))
        return None if run is None or run.is_released else run

    async def lost(self, instance: str) -> int:
        """The calls that were sent in that run of the server end as unknown, if they have not ended; how many."""
        return await self._database.write(lambda change: running.lose(change, instance))

    # The gateway's side: upstreams

    async def observe(self, upstream: Upstream, definitions: Sequence[Definition]) -> None:
        """Take in what an upstream lists now: all of it, tools and prompts.

        What has no canonical form, or an immense one, is left out and cannot be called.

        Raises:
            PolicyUnreadable
        """
        listed = await anyio.to_thread.run_sync(listings.storable, definitions)
        if await self._database.read(partial(listings.is_known, upstream=upstream, definitions=listed)):
            return
        await self._database.write(lambda change: listings.observe(change, upstream, listed))

    async def health(self, name: str, launch_sha256: str, state: str, detail: str) -> None:
        """Keep how an upstream is doing under that launch line. What is there already is not written again."""
        if await self._database.read(partial(health.is_said, name=name, state=state, detail=detail)):
            return
        await self._database.write(lambda change: health.say(change, name, launch_sha256, state, detail))

    async def take_restarts(self) -> tuple[str, ...]:
        """The upstreams that people want started anew; each is told once."""
        if not await self._database.read(health.any_restarts):
            return ()
        return await self._database.write(health.take_restarts)

    # For both sides

    async def definitions(self) -> tuple[Pinned, ...]:
        """Every definition of the upstreams in the rules in force, those that are gone among them.

        Raises:
            PolicyUnreadable
        """
        return await self._database.read(pins.pinned)

    async def definition(self, upstream: str, method: Method, name: str) -> Pinned | None:
        """One definition by the upstream's own name for it; None where it was never listed."""
        return await self._database.read(lambda connection: pins.one_pinned(connection, upstream, method, name))

    async def upstreams(self) -> tuple[UpstreamHealth, ...]:
        """The upstreams in the rules in force, and how they are doing.

        Raises:
            PolicyUnreadable
        """
        return await self._database.read(health.upstreams)

    # The people's side

    async def unaccepted(self) -> int:
        """How many definitions wait for a person to accept them.

        Raises:
            PolicyUnreadable
        """
        return await self._database.read(pins.unaccepted)

    async def accept(
        self,
        upstream: str,
        method: Method,
        name: str,
        sha256: str,
        *,
        reviewer: Reviewer | None,
        session_id: str | None,
    ) -> None:
        """Accept a definition as it was looked at: `sha256` is its hash. Without `reviewer`, from the command line.

        Raises:
            DefinitionMoved: the upstream lists it otherwise by now, or not at all.
            NotAdmin: `reviewer` may not do this, or the session has ended.
        """

        def change(transaction: Transaction) -> None:
            pins.accept(transaction, upstream, method, name, sha256, reviewer=reviewer, session_id=session_id)

        await self._database.write(change)

    async def ask_restart(self, name: str, *, reviewer: Reviewer | None, session_id: str | None) -> None:
        """Have an upstream started anew by the process that runs it. Without `reviewer`, from the command line.

        Raises:
            NoSuchUpstream
            NotAdmin: `reviewer` may not do this, or the session has ended.
        """
        await self._database.write(
            lambda change: health.ask_restart(change, name, reviewer=reviewer, session_id=session_id)
        )

    async def recorded(self, limit: int) -> tuple[Recorded, ...]:
        """The newest calls, held and denied ones among them, the newest first."""
        return await self._database.read(partial(recorded.recorded, limit=limit))

    async def _send_or_take_back(self, admit: Change[T]) -> T:
        """Let a call be sent; or, if its caller goes away before it learns that, let it end as never sent."""
        admitted: list[Admitted] = []

        def change(transaction: Transaction) -> T:
            found = admit(transaction)
            if isinstance(found, Admitted):
                admitted.append(found)
            return found

        try:
            return await self._database.write(change)
        except asyncio.CancelledError:
            # The change stands all the same, or will. This one is queued behind it.
            self._database.submit(lambda transaction: _take_back(transaction, admitted))
            raise

    async def _faults(self, call: GovernedCall, *, large: bool) -> Sequence[Fault]:
        """What is wrong with the arguments, by the definition that the call names; of any other it is denied later."""
        schema = await self._schema(call)
        if schema is None:
            return ()
        wrong = None if large else quick_faults(schema, call.arguments)
        if wrong is None:
            wrong = await anyio.to_thread.run_sync(faults, schema, call.arguments)
        if not wrong:
            return ()
        # What Assent adds by itself may be what is missing: that the rules in force say.
        return await self._database.read(lambda connection: judgement.validated(connection, call))

    async def _schema(self, call: GovernedCall) -> Any:
        named = call.definition_sha256
        if named is not None and (call.method, named) in self._schemas:
            return self._schemas[call.method, named]
        accepted = await self._database.read(lambda connection: judgement.accepted_schema(connection, call))
        if accepted is None:
            return None
        sha256, schema = accepted
        if sha256 is not None:
            if len(self._schemas) >= SCHEMAS_KEPT:
                self._schemas.clear()
            self._schemas[call.method, sha256] = schema
        return schema

    async def _misfit(self, agent: Agent, call: GovernedCall, arguments: str | None, wrong: Sequence[Fault]) -> Denied:
        return await self._database.write(
            lambda change: deny(
                change,
                agent,
                tool=call.governed_as,
                why=judgement.in_words(call, wrong),
                arguments=arguments,
                kind="arguments",
                upstream=call.upstream,
                policy_sha256=_policy_sha256(change),
            )
        )


def _take_back(transaction: Transaction, admitted: Sequence[Admitted]) -> None:
    for one in admitted:
        running.finish(transaction, one.call_id, Outcome(_NOT_SENT))


def _policy_sha256(transaction: Transaction) -> str | None:
    policy = active(transaction.connection)
    return None if policy is None else policy.sha256


async def _outcome(ended: Ended) -> Outcome:
    if ended.result is None:
        return Outcome(ended)
    return Outcome(ended, await _beside(digest_of, ended.result, large=not _is_small(ended.result)))


async def _beside(work: Callable[[Any], T], value: Any, *, large: bool) -> T:
    """What `work` makes of a value; of a large one beside the event loop, which serves everybody."""
    return await anyio.to_thread.run_sync(work, value) if large else work(value)


def _is_small(value: Any) -> bool:
    """Whether this is quickly read from end to end."""
    todo, left = [value], LARGE
    while todo:
        one = todo.pop()
        left -= len(one) if isinstance(one, str | list | tuple | dict) else 1
        if left < 0:
            return False
        if isinstance(one, dict):
            todo.extend(one.values())
        elif isinstance(one, list | tuple):
            todo.extend(one)
    return True
