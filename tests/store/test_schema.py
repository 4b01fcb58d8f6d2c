import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlmodel import SQLModel

from store.audit.checkpoint import LogKey
from store.database import Database, sqlite_engine
from store.problems import DatabaseProblem
from store.schema import CURRENT, Schema, prepare
from tests.stage import signed_by

KEY = LogKey.generate("assent.test/log")

MIGRATION = """
import sqlalchemy as sa
from alembic import op

revision = {revision!r}
down_revision = {down!r}


def upgrade():
    {body}
"""


def open_once(path: Path) -> None:
    Database.open(f"sqlite:///{path}", signed_by(KEY)).close()


def query(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


@pytest.fixture
def older_and_newer(tmp_path: Path) -> tuple[Schema, Schema]:
    scripts = tmp_path / "scripts"
    (scripts / "versions").mkdir(parents=True)
    (scripts / "env.py").write_text((CURRENT.scripts / "env.py").read_text())
    first = "op.create_table('notes', sa.Column('id', sa.Integer, primary_key=True), sa.Column('text', sa.String))"
    second = "op.add_column('notes', sa.Column('author', sa.String, server_default='unknown'))"
    for revision, down, body in (("0001", None, first), ("0002", "0001", second)):
        (scripts / "versions" / f"{revision}.py").write_text(MIGRATION.format(revision=revision, down=down, body=body))
    return Schema(("0001",), scripts), Schema(("0001", "0002"), scripts)


def test_a_fresh_database_has_exactly_the_declared_tables(tmp_path: Path) -> None:
    open_once(tmp_path / "assent.db")
    engine = create_engine(f"sqlite:///{tmp_path / 'assent.db'}")
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), SQLModel.metadata)
    engine.dispose()
    assert differences == []


def test_the_stated_revisions_are_those_of_the_scripts() -> None:
    config = Config()
    config.set_main_option("script_location", str(CURRENT.scripts))
    scripts = ScriptDirectory.from_config(config)
    assert [script.revision for script in scripts.walk_revisions()][::-1] == list(CURRENT.revisions)


def test_an_older_home_is_upgraded_after_a_copy_was_kept(
    tmp_path: Path, older_and_newer: tuple[Schema, Schema]
) -> None:
    older, newer = older_and_newer
    path = tmp_path / "home.db"
    engine = sqlite_engine(f"sqlite:///{path}")
    prepare(engine, path, older)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO notes (text) VALUES ('kept')")
        connection.commit()
    prepare(engine, path, newer)
    engine.dispose()
    assert query(path, "SELECT text, author FROM notes") == [("kept", "unknown")]
    copy = tmp_path / "home.db.before-0002"
    assert query(copy, "SELECT * FROM notes") == [(1, "kept")]
    assert copy.stat().st_mode & 0o077 == 0


def test_an_upgrade_that_fails_leaves_the_older_home_as_it_was(
    tmp_path: Path, older_and_newer: tuple[Schema, Schema]
) -> None:
    older, newer = older_and_newer
    (newer.scripts / "versions" / "0002.py").write_text(
        MIGRATION.format(
            revision="0002",
            down="0001",
            body="op.add_column('notes', sa.Column('author', sa.String)); raise RuntimeError('half way')",
        )
    )
    path = tmp_path / "home.db"
    engine = sqlite_engine(f"sqlite:///{path}")
    prepare(engine, path, older)
    with pytest.raises(RuntimeError, match="half way"):
        prepare(engine, path, newer)
    engine.dispose()
    assert [row[1] for row in query(path, "PRAGMA table_info(notes)")] == ["id", "text"]
    assert query(path, "SELECT version_num FROM alembic_version") == [("0001",)]


def test_a_newer_home_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "assent.db"
    open_once(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    with pytest.raises(DatabaseProblem, match="newer version of Assent: schema 9999") as refusal:
        open_once(path)
    assert "nothing was changed" in refusal.value.hint
    assert query(path, "SELECT version_num FROM alembic_version") == [("9999",)]


def test_somebody_elses_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "songs.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE songs (title TEXT)")
    with pytest.raises(DatabaseProblem, match="not one of Assent's"):
        open_once(path)
    assert query(path, "SELECT name FROM sqlite_master WHERE type = 'table'") == [("songs",)]
