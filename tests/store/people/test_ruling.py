"""Whatever admins do to each other, in any order: somebody rules, nobody disabled gets in, and the log makes sense."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from argon2 import PasswordHasher
from hypothesis import given, settings
from hypothesis import strategies as st

from store.audit.checkpoint import LogKey
from store.audit.inspection import Inspection
from store.database import Database
from store.people import People, Reviewer, Role, Session, SignIn
from store.problems import PeopleProblem
from tests.stage import PASSWORD, FakeClock, signed_by

SIGNER = LogKey.generate("assent.test/log")
HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
Act = Callable[[People, str, Session | None], Awaitable[object]]


async def _invite(people: People, target: str, by: Session | None) -> None:
    # To a name of its own, so that the one before it is replaced; then taken, or not.
    link = await people.administration.invite("new", role=Role.ADMIN, by=by)
    if by is None:
        await people.use_invitation(link.invitation, link.token, PASSWORD)


async def _reset(people: People, target: str, by: Session | None) -> None:
    link = await people.administration.reset(target, by=by)
    if by is None:
        await people.use_invitation(link.invitation, link.token, PASSWORD)


ACTS: dict[str, Act] = {
    "admin": lambda people, target, by: people.administration.change_role(target, Role.ADMIN, by=by),
    "reviewer": lambda people, target, by: people.administration.change_role(target, Role.REVIEWER, by=by),
    "auditor": lambda people, target, by: people.administration.change_role(target, Role.AUDITOR, by=by),
    "disable": lambda people, target, by: people.administration.disable(target, by=by),
    "enable": lambda people, target, by: people.administration.enable(target, by=by),
    "reset": _reset,
    "invite": _invite,
}
# Who does it (3: the command line), to whom, what.
steps = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.sampled_from(sorted(ACTS))), max_size=14)


@given(steps)
@settings(max_examples=40, deadline=None)
def test_somebody_rules_nobody_disabled_gets_in_and_the_log_makes_sense(steps: list[tuple[int, int, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = Database.open(f"sqlite:///{Path(folder) / 'assent.db'}", signed_by(SIGNER), clock=FakeClock())
        try:
            asyncio.run(_play(People(database, HASHER), steps))
            Inspection(database).verify()
        finally:
            database.close()


async def _play(people: People, steps: list[tuple[int, int, str]]) -> None:
    cast = [await people.add_reviewer(name, role=Role.ADMIN, password=PASSWORD) for name in ("ana", "ben", "cleo")]
    secrets: dict[str, str] = {}
    for actor, target, act in steps:
        by = None if actor == 3 else await _session(people, cast[actor], secrets)
        if by is None and actor != 3:
            continue
        before = await people.reviewers()
        ruled = by is None or next(r.role is Role.ADMIN for r in before if r.id == by.reviewer.id)
        done = False
        with suppress(PeopleProblem):
            await ACTS[act](people, cast[target].id, by)
            done = True
        assert ruled or not done
        after = await people.reviewers()
        assert any(r.role is Role.ADMIN and r.disabled_at is None for r in after)
        assert done or after == before
        for person in after:
            assert person.disabled_at is None or await people.sessions(person.id) == []
            assert person.disabled_at is None or await people.check_password(person.username, PASSWORD) is None


async def _session(people: People, actor: Reviewer, secrets: dict[str, str]) -> Session | None:
    """The actor's session: the one they have, or a new one if they can sign in."""
    if actor.id in secrets and (found := await people.session(secrets[actor.id])) is not None:
        return found
    known = await people.check_password(actor.username, PASSWORD)
    if known is None:
        return None
    secrets[actor.id], session = await people.open_session(known, SignIn.PASSWORD)
    return session
