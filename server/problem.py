"""How the command line's own problems differ from the store's: some are the caller's mistake."""

from enum import IntEnum

from store.problems import Problem


class ExitCode(IntEnum):
    FAILURE = 1
    USAGE = 2


class UsageProblem(Problem):
    """The command line, the environment or assent.toml asks for something that cannot be. Exits 2."""
