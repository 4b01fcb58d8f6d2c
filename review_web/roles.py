"""What the roles are, in words."""

from collections.abc import Mapping

from store.people import Role

ROLE_WORDS: Mapping[Role, str] = {
    Role.ADMIN: "answers what agents ask, and says who else may",
    Role.REVIEWER: "answers what agents ask",
    Role.AUDITOR: "reads everything and decides nothing",
}
