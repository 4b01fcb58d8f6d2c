"""What can be said about one place of a policy, and what it is measured by. Values only; pure."""

from dataclasses import dataclass

from store.policy.rules import Path, Place, Policy

NOWHERE = Place(1, 1)


@dataclass(frozen=True)
class Finding:
    """Something about one place of the file."""

    message: str
    place: Place
    refuses: bool


@dataclass(frozen=True)
class Known:
    """Who there is. People by their folded user names."""

    deciding: frozenset[str]
    """Who may decide: admins and reviewers whose accounts are open."""
    others: frozenset[str]
    """Auditors, and accounts that are disabled."""
    with_passkey: frozenset[str]
    agents: frozenset[str]
    """Agents that were not revoked, by name."""
    workflows: frozenset[str] = frozenset()
    """Those that agents were given, which no question of theirs gets rid of."""


def place_in(policy: Policy, *paths: Path) -> Place:
    """Where the first of these stands that the file has."""
    return next((policy.places[path] for path in paths if path in policy.places), NOWHERE)
