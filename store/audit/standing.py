"""Who stands where, by what a log says: accounts, their roles, who is disabled, and invitations. Pure.

A part of the story that `store.audit.meaning` tells (SPEC.md, section 8).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from store.deciding.eligibility import RESET_BAR
from store.moments import from_text
from store.problems import Problem

Entry = Mapping[str, Any]


class MeaningProblem(Problem):
    """An entry does not follow from those before it."""


def require(condition: bool, otherwise: str) -> None:
    """Raises MeaningProblem unless it holds."""
    if not condition:
        raise MeaningProblem(otherwise)


@dataclass(frozen=True, slots=True)
class _Invitation:
    role: str
    expires_at: str
    reviewer: str | None


class Standing:
    """Every account that the entries so far make, and what it may do."""

    def __init__(self) -> None:
        self._roles: dict[str, str] = {}
        self._disabled: set[str] = set()
        self._reset_at: dict[str, str] = {}
        self._invitations: dict[str, _Invitation] = {}
        self._identities: dict[str, str] = {}
        self._rules: Mapping[str, Callable[[Entry], None]] = {
            "account_added": self._account_added,
            "reviewer_signed_in": self._reviewer_signed_in,
            "role_changed": self._role_changed,
            "account_disabled": self._account_disabled,
            "account_enabled": self._account_enabled,
            "account_reset": self._account_reset,
            "session_ended": self._ruled,
            "agent_owner_changed": self._ruled,
            "agent_revoked": self._ruled,
            "invitation_made": self._invitation_made,
            "invitation_used": self._invitation_used,
            "invitation_withdrawn": self._invitation_withdrawn,
            "identity_linked": self._identity_linked,
            "identity_unlinked": self._identity_unlinked,
        }

    def take(self, entry: Entry) -> None:
        """The next entry.

        Raises:
            MeaningProblem: it does not follow from those before it.
        """
        kind = entry["type"]
        if kind != "account_added" and (reviewer := entry.get("reviewer")) is not None:
            require(reviewer in self._roles, f"no entry before it adds the account {reviewer}")
        rule = self._rules.get(kind)
        if rule is not None:
            rule(entry)

    def require_decider(self, reviewer: str) -> None:
        """Raises MeaningProblem unless this person may be shown cards, and decide them, now."""
        require(self._roles[reviewer] != "auditor", f"{reviewer} is an auditor, who decides nothing")
        require(reviewer not in self._disabled, f"the account {reviewer} is disabled, and decides nothing")

    def require_admin(self, reviewer: str) -> None:
        """Raises MeaningProblem unless this person is an admin now."""
        admin = self._roles.get(reviewer) == "admin" and reviewer not in self._disabled
        require(admin, f"{reviewer} is no admin, and does what admins do")

    def counts_among_several(self, reviewer: str, at: str) -> bool:
        """Whether this person's answer counts at that moment where several must approve."""
        if self._roles[reviewer] == "auditor" or reviewer in self._disabled:
            return False
        reset_at = self._reset_at.get(reviewer)
        return reset_at is None or from_text(at) >= from_text(reset_at) + RESET_BAR

    def _account_reset(self, entry: Entry) -> None:
        self._ruled(entry)
        self._reset_at[entry["reviewer"]] = entry["at"]

    def _account_added(self, entry: Entry) -> None:
        require(entry["reviewer"] not in self._roles, f"the account {entry['reviewer']} was added before")
        self._roles[entry["reviewer"]] = entry["role"]

    def _reviewer_signed_in(self, entry: Entry) -> None:
        require(entry["reviewer"] not in self._disabled, f"the account {entry['reviewer']} is disabled, and signs in")

    def _role_changed(self, entry: Entry) -> None:
        self._ruled(entry)
        ruled = self._has_admin()
        self._roles[entry["reviewer"]] = entry["role"]
        require(self._has_admin() or not ruled, "it leaves no admin")

    def _account_disabled(self, entry: Entry) -> None:
        self._ruled(entry)
        require(entry["reviewer"] not in self._disabled, f"the account {entry['reviewer']} was disabled before")
        ruled = self._has_admin()
        self._disabled.add(entry["reviewer"])
        require(self._has_admin() or not ruled, "it leaves no admin")

    def _account_enabled(self, entry: Entry) -> None:
        self._ruled(entry)
        require(entry["reviewer"] in self._disabled, f"the account {entry['reviewer']} was not disabled")
        self._disabled.discard(entry["reviewer"])

    def _invitation_made(self, entry: Entry) -> None:
        self._ruled(entry)
        name = entry["invitation"]
        require(name not in self._invitations, f"the invitation {name} was made before")
        require(entry["at"] < entry["expires_at"], f"the invitation {name} is made after its end")
        self._invitations[name] = _Invitation(entry["role"], entry["expires_at"], entry.get("reviewer"))

    def _invitation_used(self, entry: Entry) -> None:
        name, reviewer = entry["invitation"], entry["reviewer"]
        invitation = self._take_invitation(name)
        require(entry["at"] < invitation.expires_at, f"the invitation {name} is used after its end")
        require(invitation.reviewer in (None, reviewer), f"the invitation {name} is for {invitation.reviewer}")
        if invitation.reviewer is None:
            require(self._roles[reviewer] == invitation.role, f"the invitation {name} is for a {invitation.role}")

    def _invitation_withdrawn(self, entry: Entry) -> None:
        # `by` may have been an admin until the entry before: what they had handed out goes with their role.
        self._take_invitation(entry["invitation"])

    def _take_invitation(self, name: str) -> _Invitation:
        invitation = self._invitations.pop(name, None)
        if invitation is None:
            raise MeaningProblem(f"the invitation {name} is not open")
        return invitation

    def _identity_linked(self, entry: Entry) -> None:
        require(entry["identity"] not in self._identities, f"the identity {entry['identity']} was linked before")
        self._identities[entry["identity"]] = entry["reviewer"]

    def _identity_unlinked(self, entry: Entry) -> None:
        owner = self._identities.pop(entry["identity"], None)
        require(owner == entry["reviewer"], f"the identity {entry['identity']} does not belong to {entry['reviewer']}")

    def _ruled(self, entry: Entry) -> None:
        """By the command line, or by somebody who was an admin at that moment."""
        if (by := entry.get("by")) is not None:
            self.require_admin(by)

    def _has_admin(self) -> bool:
        return any(role == "admin" and name not in self._disabled for name, role in self._roles.items())
