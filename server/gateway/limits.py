"""How much of anything an upstream may take. Every limit is a field here, with its default."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes, times in seconds."""

    processes: int = 32
    """Upstreams that run as processes of ours at once. One more ends the one that is idle for longest."""
    idle_seconds: float = 600.0
    """After that long without a call an upstream is let go of, until it is wanted again."""
    result_bytes: int = 4 << 20
    """The longest result that is passed on to an agent."""
    line_bytes: int = 8 << 20
    """The longest message that is read from an upstream."""

    connect_seconds: float = 30.0
    """From the start of an upstream until it has said what it has."""
    relist_seconds: float = 300.0
    """While it is used, it is asked that often whether it still has the same."""
    check_seconds: float = 10.0
    """A session of the older protocol that nobody used for that long is tried before it takes a call."""
    backoff_seconds: float = 0.5
    """The pause after a failure; it doubles with each that follows."""
    backoff_most_seconds: float = 60.0
    healthy_seconds: float = 60.0
    """What worked for that long begins with the shortest pause again."""
    grace_seconds: float = 1.0
    """What a process has to end by itself, and once more after it was told to, before it is killed."""
    hurried_seconds: float = 0.2
    """The same, where people stopped everything."""

    sessions: int = 128
    """Calls at once of one upstream that speaks the older protocol over HTTP: each has a session of its own."""
    session_idle_seconds: float = 60.0
    """After that long without a call such a session is closed."""

    pages: int = 100
    """Pages of one list."""
    definitions: int = 2_000
    """Entries of one list."""
    definition_bytes: int = 256 << 10
    """One tool or prompt, as canonical JSON."""
    garbage_lines: int = 1_000
    """Lines in a row that are no messages, until it is taken to be no server."""
    discarded_bytes: int = 256 << 20
    """How much of one message that is too long is read and thrown away, until the process is ended instead."""
