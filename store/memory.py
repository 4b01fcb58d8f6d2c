"""What the writer's connection remembers between changes: as long as nobody else writes, it need not be read again.

The database forgets all of it when another process has committed, and when a change or a commit was taken back. Whoever
changes what is remembered here forgets it, too, in the same change. Readers' connections remember nothing.
"""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

_MEMORY = "memory"

T = TypeVar("T")


def remember(connection: Connection) -> None:
    """Let this connection remember, from now on."""
    connection.info[_MEMORY] = {}


def forget(connection: Connection) -> None:
    """Forget everything."""
    memory = connection.info.get(_MEMORY)
    if memory is not None:
        memory.clear()


def remembered(connection: Connection, name: str, read: Callable[[Connection], T]) -> T:
    """What `read` gives, or gave before. What it raises is not remembered."""
    memory = connection.info.get(_MEMORY)
    if memory is None:
        return read(connection)
    if name not in memory:
        memory[name] = read(connection)
    found: T = memory[name]
    return found
