"""What is said when an upstream cannot be had."""

from store.problems import Problem


class UpstreamDown(Problem):
    """An upstream cannot take this call. Nothing was sent. `message` names it and says what is wrong."""


class Unavailable(Problem):
    """Why an upstream cannot be had, before its name is known: `message` goes on from the name, "it is not there"."""
