"""Opening what a home keeps: its database, with the key that signs its log."""

from server.config import Settings
from store.audit.keys import open_log_key
from store.database import Database


def open_database(settings: Settings) -> Database:
    """The database of this home. The log's key is made with the log; a log that has begun takes no other.

    Raises:
        DatabaseProblem, KeyProblem
    """
    key_file = settings.home.log_key_file
    return Database.open(settings.database_url, lambda begun: open_log_key(key_file, make=not begun))
