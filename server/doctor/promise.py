"""Which promise an installation keeps towards the user who asks. Pure.

The promise is the weakest that holds for an agent on this machine: what it could read, it could forge.
"""

from dataclasses import dataclass

from server.doctor.findings import Finding, note, unsafe, weak
from store.audit.events import Assurance

ROOT = 0
ONE_COMMAND = "sudo make service (a user of its own for the server; agents then come by HTTP with a token)"


@dataclass(frozen=True)
class Access:
    """Who looks, and at whose files. `readable` names what of the home's secrets this user can open."""

    me: int
    home_owner: int
    owner_name: str
    owner_signs_in: bool
    """The home's owner is an account for people, under which agents may run."""
    readable: tuple[str, ...]
    server_uid: int | None = None


@dataclass(frozen=True)
class Promise:
    assurance: Assurance
    text: str


def promise(access: Access) -> Promise:
    """What holds between the server and an agent on this machine."""
    if access.me not in (ROOT, access.home_owner):
        if access.readable:
            return _guardrail(f"this user can read the server's {' and '.join(access.readable)}")
        return _wall("This user can read nothing of the server's home")
    if access.home_owner == ROOT:
        return _guardrail("the server's files are root's, and so is whatever else runs as root")
    if access.owner_signs_in:
        return _guardrail(f"the server's files belong to {access.owner_name}, an account that other programs run under")
    return _wall(f"The server's files belong to {access.owner_name}, an account that runs nothing else")


def judged(access: Access) -> list[Finding]:
    """What is wrong with that, and what would be better."""
    found = []
    if access.me not in (ROOT, access.home_owner) and access.readable:
        found.append(
            unsafe(
                "home-readable-by-others",
                f"This user is not the server's, and can read its {' and '.join(access.readable)}.",
                "An agent under this user can read what it likes, and could sign in as the local bridge.",
                "run as the home's owner: chmod -R go= HOME",
            )
        )
    if access.server_uid is not None and access.server_uid != access.home_owner:
        found.append(
            unsafe(
                "server-runs-as-another-user",
                f"The server runs as user {access.server_uid}, but its home belongs to {access.owner_name}.",
                "What it writes belongs to somebody else, and soon one of the two cannot read it.",
                f"assent stop, then start it as {access.owner_name}",
            )
        )
    if access.home_owner == ROOT:
        found.append(
            weak(
                "server-is-root",
                "The server's home belongs to root.",
                "Nothing here needs root; a fault in the server would be a fault with all of root's power.",
                ONE_COMMAND,
            )
        )
    if promise(access).assurance is Assurance.SHARED_USER:
        found.append(
            weak(
                "shared-user",
                "Agents under the server's own user are asked to behave, not made to.",
                "Keys, database and log are files of that user: an agent that attacks can read and change them.",
                ONE_COMMAND,
            )
        )
    if access.me == ROOT:
        found.append(
            note(
                "asked-as-root",
                "This was asked by root, who can read everything.",
                "It tells nothing about what an agent's user can read.",
                "sudo -u AGENTS-USER assent doctor --home HOME",
            )
        )
    return found


def _guardrail(why: str) -> Promise:
    return Promise(
        Assurance.SHARED_USER,
        f"A guardrail, not a wall: {why}. It stops an agent that uses it, not one that attacks it.",
    )


def _wall(why: str) -> Promise:
    return Promise(
        Assurance.SEPARATE_USER,
        f"Enforced: {why}. An agent under another user gets what people allow, by its token and in no other way. "
        "Root is above this, and so are other tools that the agent has.",
    )
