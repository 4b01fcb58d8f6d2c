"""`assent user …`: the people who decide.

Whoever runs these has the server's files, and so its authority. What they do to accounts is an entry, and for a day it
stands on everybody's pages.
"""

import getpass
import sys
from typing import Annotated
from urllib.parse import urlencode

import anyio
from cyclopts import App, Parameter

from server.commands.options import NO_FLAGS, Shared
from server.commands.records import Records, opened
from server.config import Settings
from server.problem import UsageProblem
from server.process import find
from store.people import Link, Origin, Reviewer, Role
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


@user.command
def invite(
    name: str,
    /,
    *,
    role: Annotated[Role, Parameter(help="What the account will be allowed to do.")] = Role.REVIEWER,
    shared: Shared = NO_FLAGS,
) -> None:
    """Print a link by which somebody makes their own account. It works once, for a day."""
    settings = shared.settings()

    async def invited() -> Link:
        return await records.people.administration.invite(name, role=role, by=None)

    with opened(settings) as records:
        link = anyio.run(invited)
    _answer_link(shared, settings, link)


@user.command
def reset(name: str, /, *, shared: Shared = NO_FLAGS) -> None:
    """Revoke every way into an account, and print a link that leads its person back in. It works once, for a day."""
    settings = shared.settings()

    async def done() -> Link:
        return await records.people.administration.reset((await _known(records, name)).id, by=None)

    with opened(settings) as records:
        link = anyio.run(done)
    _answer_link(shared, settings, link)


@user.command(name="role")
def change_role(name: str, role: Role, /, *, shared: Shared = NO_FLAGS) -> None:
    """Give an account another role: admin, reviewer or auditor."""

    async def changed() -> Reviewer:
        return await records.people.administration.change_role((await _known(records, name)).id, role, by=None)

    with opened(shared.settings()) as records:
        reviewer = anyio.run(changed)
    shared.answer(_row(reviewer), f"{reviewer.username} is in the role {reviewer.role.value} now")


@user.command
def disable(name: str, /, *, shared: Shared = NO_FLAGS) -> None:
    """Let nobody sign in to an account any more. What the person decided stays; `enable` takes it back."""

    async def disabled() -> Reviewer:
        return await records.people.administration.disable((await _known(records, name)).id, by=None)

    with opened(shared.settings()) as records:
        reviewer = anyio.run(disabled)
    shared.answer(_row(reviewer), f"{reviewer.username} is disabled: its sessions and tokens ended")


@user.command
def enable(name: str, /, *, shared: Shared = NO_FLAGS) -> None:
    """Take a disabled account back in, with the password and passkeys that it had."""

    async def enabled() -> Reviewer:
        return await records.people.administration.enable((await _known(records, name)).id, by=None)

    with opened(shared.settings()) as records:
        reviewer = anyio.run(enabled)
    shared.answer(_row(reviewer), f"{reviewer.username} can sign in again, as {reviewer.role.value}")


@user.command(name="list")
def list_(*, shared: Shared = NO_FLAGS) -> None:
    """Name every account."""
    with opened(shared.settings()) as records:
        reviewers = anyio.run(records.people.reviewers)
    lines = [_line(r) for r in reviewers]
    shared.answer([_row(r) for r in reviewers], "\n".join(lines) or "nobody yet: assent open makes the first account")


@user.command
def token(name: str, /, *, shared: Shared = NO_FLAGS) -> None:
    """Print a new token with which a program reads what this reviewer may read. It never decides. Shown once."""
    with opened(shared.settings()) as records:
        secret = anyio.run(_token, records, name)
    shared.answer({"token": secret}, secret)


async def _add(records: Records, name: str, role: Role | None, password: str) -> Reviewer:
    first = await records.people.count() == 0
    if role is None:
        role = Role.ADMIN if first else Role.REVIEWER
    # Of the first account there is nobody to be told.
    origin = Origin.SETUP if first else Origin.COMMAND
    return await records.people.add_reviewer(name, role=role, password=password, origin=origin)


async def _token(records: Records, name: str) -> str:
    return await records.people.add_reviewer_token((await _known(records, name)).id)


async def _known(records: Records, name: str) -> Reviewer:
    reviewer = await records.people.find(name)
    if reviewer is None:
        raise Problem(f"there is no account named {name}", "name one of: assent user list")
    return reviewer


def _answer_link(shared: Shared, settings: Settings, link: Link) -> None:
    # Where the server really answers, if one runs: it may have been started on another port.
    running = find(settings.home)
    page = settings.page_url if running is None else running.url
    url = f"{page}/invitation?{urlencode({'token': link.token})}"
    until = link.invitation.expires_at
    answer = {"username": link.invitation.username, "link": url, "expires_at": until.isoformat()}
    shared.answer(answer, url)
    if not shared.json:
        print(f"for {link.invitation.username} alone: it works once, until {until:%Y-%m-%d %H:%M} UTC", file=sys.stderr)


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise UsageProblem("there is no terminal to ask for the password", "pipe it in with --password-stdin")
    first = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != first:
        raise Problem("the two passwords differ", "nothing was changed; try again")
    return first


def _line(reviewer: Reviewer) -> str:
    ended = f", disabled {reviewer.disabled_at:%Y-%m-%d}" if reviewer.disabled_at else ""
    return f"{reviewer.username}  {reviewer.role.value}  since {reviewer.created_at:%Y-%m-%d}{ended}"


def _row(reviewer: Reviewer) -> dict[str, object]:
    return {
        "username": reviewer.username,
        "display_name": reviewer.display_name,
        "role": reviewer.role.value,
        "created_at": reviewer.created_at.isoformat(),
        "disabled_at": reviewer.disabled_at.isoformat() if reviewer.disabled_at else None,
        "reset_at": reviewer.reset_at.isoformat() if reviewer.reset_at else None,
    }
