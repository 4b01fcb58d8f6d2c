"""`assent user …`: the people who decide."""

import getpass
import sys
from typing import Annotated

import anyio
from cyclopts import App, Parameter

from server.commands.options import NO_FLAGS, Shared
from server.commands.records import Records, opened
from server.problem import UsageProblem
from store.people import Reviewer, Role
from store.problems import Problem

user = App(name="user", help="Reviewers: the people who decide.")


@user.command
def add(
    name: str,
    /,
    *,
    role: Annotated[Role | None, Parameter(help="What the account may do. The first one is an admin.")] = None,
    password_stdin: Annotated[bool, Parameter(help="Read the password from stdin.", negative=())] = False,
    shared: Shared = NO_FLAGS,
) -> None:
    """Make an account. Asks for the password without showing it."""
    settings = shared.settings()
    password = _password(from_stdin=password_stdin)
    with opened(settings) as records:
        reviewer = anyio.run(_add, records, name, role, password)
    shared.answer(_row(reviewer), f"{reviewer.username} can sign in now, as {reviewer.role.value}")


@user.command(name="list")
def list_(*, shared: Shared = NO_FLAGS) -> None:
    """Name every account."""
    with opened(shared.settings()) as records:
        reviewers = anyio.run(records.people.reviewers)
    lines = [f"{r.username}  {r.role.value}  since {r.created_at:%Y-%m-%d}" for r in reviewers]
    shared.answer([_row(r) for r in reviewers], "\n".join(lines) or "nobody yet: assent open makes the first account")


@user.command
def token(name: str, /, *, shared: Shared = NO_FLAGS) -> None:
    """Print a new token with which a program reads what this reviewer may read. It never decides. Shown once."""
    with opened(shared.settings()) as records:
        secret = anyio.run(_token, records, name)
    shared.answer({"token": secret}, secret)


async def _add(records: Records, name: str, role: Role | None, password: str) -> Reviewer:
    if role is None:
        role = Role.REVIEWER if await records.people.count() else Role.ADMIN
    return await records.people.add_reviewer(name, role=role, password=password)


async def _token(records: Records, name: str) -> str:
    reviewer = await records.people.find(name)
    if reviewer is None:
        raise Problem(f"there is no account named {name}", "name one of: assent user list")
    return await records.people.add_reviewer_token(reviewer.id)


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise UsageProblem("there is no terminal to ask for the password", "pipe it in with --password-stdin")
    first = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != first:
        raise Problem("the two passwords differ", "nothing was changed; try again")
    return first


def _row(reviewer: Reviewer) -> dict[str, object]:
    return {
        "username": reviewer.username,
        "display_name": reviewer.display_name,
        "role": reviewer.role.value,
        "created_at": reviewer.created_at.isoformat(),
    }
