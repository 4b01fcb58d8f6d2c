"""Rules that people propose because of a call: made by whoever decides, put in force or aside by admins.

A proposal changes nothing. What puts one in force is an activation like any other: of the text in force and this rule.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio.to_thread
from sqlalchemy import Connection, insert, select, update

from store import tables
from store.audit.events import Concealed, RuleProposalClosed, RuleProposed
from store.canonical_json import canonical_text
from store.database import Database, Transaction
from store.identifiers import new_id
from store.names import fold
from store.people import Session
from store.people.accounts import reviewer_with_id
from store.people.sessions import is_open
from store.policy.active import Activation, Via, activate, activation, checked, parsed, require_admin
from store.policy.additions import RULES, START, as_yaml, with_rules
from store.policy.drafts import Cause, Choices, draft
from store.policy.effects import Effect, effect_of, rule_of, with_rule
from store.policy.file import InFile, add_to_file
from store.policy.findings import Finding, findings
from store.policy.matches import past
from store.policy.overview import known
from store.policy.proposed import Proposal, ProposalProblem, all_waiting, cause_of, how_many_wait, waiting_one
from store.policy.replay import Past
from store.policy.rules import Policy, Rule
from store.problems import Problem
from store.signals import INBOX

MOST_OPEN = 50
MOST_TRIED = 10_000
"""Calls that a rule is tried on before it is proposed, the newest."""


@dataclass(frozen=True)
class Tried:
    """A rule beside those in force."""

    rule: Rule
    text: str
    """As it would stand in the file."""
    effect: Effect
    found: tuple[Finding, ...] = ()
    """What is wrong or doubtful about it, where that was looked at; places mean nothing."""


@dataclass(frozen=True)
class Accepted:
    """It is in force."""

    rule: str
    """Its name."""
    in_file: InFile


class Proposals:
    """Every use case of a proposal, for pages."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def cause(self, *, call_id: str | None = None, request_id: str | None = None) -> Cause | None:
        """The call of that id, or the one that the closed request of that id held; None where there is none."""
        return await self._database.read(lambda connection: cause_of(connection, call_id, request_id))

    async def draft(self, cause: Cause, choices: Choices) -> Mapping[str, Any]:
        """The rule that these choices make, under a name that no rule has.

        Raises:
            CannotDraft, PolicyUnreadable
        """
        return draft(cause, choices, await self._database.read(_taken_names))

    async def try_(self, rule: Mapping[str, Any], cause: Cause) -> Tried:
        """What this rule would do beside those in force.

        Raises:
            PolicyMistake: it is no rule.
            PolicyUnreadable
        """
        policy, people, calls = await self._database.read(
            lambda connection: (_in_force(connection), known(connection), past(connection, MOST_TRIED))
        )
        now = self._database.clock()

        def tried() -> Tried:
            one = rule_of(rule)
            more = with_rule(policy, one)
            old = {finding.message for finding in findings(policy, people, now)}
            new = tuple(finding for finding in findings(more, people, now) if finding.message not in old)
            return Tried(one, _written(rule), effect_of(policy, one, calls, cause, now), new)

        return await anyio.to_thread.run_sync(tried)

    async def try_all(self, proposals: Sequence[Proposal], limit: int) -> tuple[Tried | None, ...]:
        """What each of these would do alone beside the rules in force, by the newest `limit` calls; None for one that
        cannot be read any more.

        Raises:
            PolicyUnreadable
        """
        if not proposals:
            return ()
        policy, calls = await self._database.read(lambda connection: (_in_force(connection), past(connection, limit)))
        now = self._database.clock()

        def tried() -> tuple[Tried | None, ...]:
            return tuple(_tried(policy, one, calls, now) for one in proposals)

        return await anyio.to_thread.run_sync(tried)

    async def open(self) -> tuple[Proposal, ...]:
        """What waits for an admin, the oldest first."""
        return await self._database.read(all_waiting)

    async def waiting(self) -> int:
        """How many wait."""
        return await self._database.read(how_many_wait)

    async def propose(self, cause: Cause, rule: Mapping[str, Any], *, session: Session) -> str:
        """Propose this rule because of this call; the proposal's id.

        Raises:
            ProposalProblem: who proposes may not decide, or too much waits, or its name was taken meanwhile.
            PolicyMistake, CannotAdd: the rules in force and this one could not be put in force.
            PolicyUnreadable
        """
        _require_ahead(rule_of(rule), self._database.clock())
        text = await _with(await self._database.read(activation), rule)
        await self._database.read(lambda connection: checked(connection, text))
        return await self._database.write(lambda change: _propose(change, cause, rule, session))

    async def accept(
        self, proposal_id: str, *, shown: str, instead_of: int, session: Session, file: Path | None
    ) -> Accepted:
        """Put the rule in force, beside those that are, and write it into the file of proposals, too.

        `shown` is the rule's `sha256` as an admin was shown it, `instead_of` where the rules stood that it was shown
        beside.

        Raises:
            ProposalProblem: it does not wait any more, or is another rule, or is over.
            PolicyMoved, NotAdmin, PolicyMistake, CannotAdd, PolicyUnreadable
        """
        one = await self._database.read(lambda connection: waiting_one(connection, proposal_id))
        if one.sha256 != shown:
            raise ProposalProblem("this is not the rule that you were shown", "Nothing was changed: look again.")
        rule = rule_of(one.rule)
        _require_ahead(rule, self._database.clock())
        before = await self._database.read(activation)
        text = await _with(before, one.rule)
        # Comparing rules takes its time, and the writer serves everybody: it finds that done.
        await anyio.to_thread.run_sync(lambda: findings(parsed(text), None))
        await self._database.write(lambda change: _accept(change, one, text, instead_of, session))
        old = None if before is None else before.text
        in_file = await anyio.to_thread.run_sync(lambda: add_to_file(file, old, text, one.rule))
        return Accepted(rule.name, in_file)

    async def put_aside(self, proposal_id: str, *, session: Session) -> str:
        """It waits no more; the rule's name.

        Raises:
            ProposalProblem, NotAdmin
        """

        def close(change: Transaction) -> str:
            one = waiting_one(change.connection, proposal_id)
            require_admin(change.connection, session.reviewer, session.id)
            _close(change, one, session, accepted=False)
            return str(one.rule.get("name"))

        return await self._database.write(close)


async def _with(in_force: Activation | None, rule: Mapping[str, Any]) -> str:
    """The text in force, and this rule."""
    text = START if in_force is None else in_force.text
    return await anyio.to_thread.run_sync(lambda: with_rules(text, [rule]).text)


def _require_ahead(rule: Rule, now: datetime) -> None:
    if rule.until is not None and rule.until.is_over(now):
        raise ProposalProblem(
            f"the rule {rule.name!r} is over already: it would match nothing", "Put it aside, or propose it anew."
        )


def _propose(change: Transaction, cause: Cause, rule: Mapping[str, Any], session: Session) -> str:
    connection = change.connection
    person = reviewer_with_id(connection, session.reviewer.id)
    if not person.may_decide or not is_open(connection, session.id):
        raise ProposalProblem("who proposes a rule must be signed in and allowed to decide", "Nothing was changed.")
    if how_many_wait(connection) >= MOST_OPEN:
        raise ProposalProblem(
            f"{MOST_OPEN} proposed rules wait already", "An admin puts them in force or aside, on the page Rules."
        )
    if fold(str(rule["name"])) in map(fold, _taken_names(connection)):
        raise ProposalProblem(f"there is a rule {rule['name']!r} by now", "Nothing was changed: look again.")
    proposal_id = new_id("rule")
    change.record(
        RuleProposed(
            proposal=proposal_id,
            rule=Concealed(canonical_text(dict(rule))),
            reviewer=person.id,
            call=cause.call_id,
            request=cause.request_id,
        )
    )
    connection.execute(
        insert(tables.proposals).values(
            id=proposal_id,
            rule=dict(rule),
            call_id=cause.call_id,
            request_id=cause.request_id,
            made_by_id=person.id,
            made_by=person.display_name,
            made_at=change.now,
        )
    )
    change.touch(INBOX)
    return proposal_id


def _accept(change: Transaction, one: Proposal, text: str, instead_of: int, session: Session) -> None:
    # Looked at again here: another admin may have been faster.
    waiting_one(change.connection, one.id)
    activate(change, text, reviewer=session.reviewer, via=Via.PAGE, instead_of=instead_of, session_id=session.id)
    _close(change, one, session, accepted=True)


def _close(change: Transaction, one: Proposal, session: Session, *, accepted: bool) -> None:
    change.record(RuleProposalClosed(proposal=one.id, accepted=accepted, reviewer=session.reviewer.id))
    columns = tables.proposals.c
    change.connection.execute(
        update(tables.proposals)
        .where(columns.id == one.id, columns.accepted.is_(None))
        .values(accepted=accepted, closed_by=session.reviewer.display_name, closed_at=change.now)
    )
    change.touch(INBOX)


def _in_force(connection: Connection) -> Policy:
    """The rules in force; without any, a policy that says nothing."""
    found = activation(connection)
    return parsed(START) if found is None else found.policy


def _taken_names(connection: Connection) -> tuple[str, ...]:
    columns = tables.proposals.c
    proposed = connection.execute(select(columns.rule).where(columns.accepted.is_(None))).scalars()
    return (*(rule.name for rule in _in_force(connection).rules), *(str(rule.get("name")) for rule in proposed))


def _tried(policy: Policy, one: Proposal, calls: Sequence[Past], now: datetime) -> Tried | None:
    try:
        rule = rule_of(one.rule)
    except Problem:
        return None
    return Tried(rule, _written(one.rule), effect_of(policy, rule, calls, one.cause, now))


def _written(rule: Mapping[str, Any]) -> str:
    return as_yaml(RULES, [rule])
