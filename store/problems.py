"""What can go wrong that a person has to know of: always a message, and what to do about it."""


class Problem(Exception):
    """An error for people. `message` says what happened, `hint` what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class DatabaseProblem(Problem):
    """The database cannot be opened, read or written."""


class WriteRefused(DatabaseProblem):
    """The database does not take writes at the moment. Nothing was changed, and it may pass by itself."""


class KeyProblem(Problem):
    """A key is missing, malformed or readable by others."""


class CredentialProblem(Problem):
    """There is no such credential, or not just one."""


class PeopleProblem(Problem):
    """An account cannot be made or changed as asked."""


class AgentProblem(Problem):
    """An agent cannot be made or changed as asked."""


class PolicyUnreadable(Problem):
    """The policy in force is not what was activated, so nobody can say who may answer."""
