"""Bringing a database to this version's schema: fresh ones made, older ones upgraded, newer ones refused."""

import logging
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, inspect, text

from store.problems import DatabaseProblem

# It tells every step at INFO, which is no news to people: a command's stderr holds errors and hints.
logging.getLogger("alembic").setLevel(logging.WARNING)


@dataclass(frozen=True)
class Schema:
    """The revisions that a version of Assent can upgrade from, oldest first, and the scripts that do it."""

    revisions: tuple[str, ...]
    scripts: Path

    @property
    def head(self) -> str:
        return self.revisions[-1]


CURRENT = Schema(revisions=("0001", "0002", "0003", "0004", "0005"), scripts=Path(__file__).parent / "migrations")
"""Stated here, and not read from the scripts, so that opening an up-to-date home loads no migration machinery."""


def prepare(engine: Engine, path: Path, schema: Schema = CURRENT) -> None:
    """Make, upgrade or refuse the database at `path`.

    An upgrade first copies the file to `NAME.before-REVISION` beside it, and runs in one transaction: it happens whole
    or not at all.

    Raises:
        DatabaseProblem: the database belongs to a newer version of Assent, or is not one of Assent's.
    """
    with engine.connect().execution_options(assent_writer=True) as connection:
        if (revision := _revision(connection, path, schema)) == schema.head:
            return
        connection.rollback()
        if revision is not None:
            _copy(path, path.with_name(f"{path.name}.before-{schema.head}"))
        with connection.begin():
            # Another process may have been quicker while we waited for the lock.
            if _revision(connection, path, schema) != schema.head:
                config = Config()
                config.set_main_option("script_location", str(schema.scripts).replace("%", "%%"))
                config.attributes["connection"] = connection
                command.upgrade(config, schema.head)


def _revision(connection: Connection, path: Path, schema: Schema) -> str | None:
    tables = inspect(connection).get_table_names()
    if not tables:
        return None
    if "alembic_version" not in tables:
        raise DatabaseProblem(
            f"{path} is a database, but not one of Assent's", "Name another file, or move this one away."
        )
    revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if revision not in schema.revisions:
        raise DatabaseProblem(
            f"{path} was written by a newer version of Assent: schema {revision}; this one knows {schema.head}",
            "Install that version or a later one; nothing was changed.",
        )
    return str(revision)


def _copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
    target.chmod(0o600)
