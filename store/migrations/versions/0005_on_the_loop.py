"""On the loop: what watches calls, holds agents back and proposes rules; which entries an agent may read."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    _calls()
    _halts()
    _proposals()
    _agent_entries()


def _calls() -> None:
    """What people who watch are shown of a call."""
    op.add_column("calls", sa.Column("excerpt", sa.Text(), nullable=True))
    op.add_column("calls", sa.Column("stated", sa.Text(), nullable=True))
    op.add_column("calls", sa.Column("log_index", sa.BigInteger(), nullable=True))
    op.add_column("calls", sa.Column("ended_index", sa.BigInteger(), nullable=True))
    op.create_index("calls_of_agent", "calls", ["agent_id", "started_at"], unique=False)
    held = sa.text("tool IS NOT NULL")
    op.create_index("requests_held", "requests", ["opened_at"], unique=False, sqlite_where=held)


def _halts() -> None:
    """Who is paused or stopped."""
    op.create_table(
        "halts",
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("how", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=True),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("scope"),
    )


def _proposals() -> None:
    """Rules that people proposed."""
    op.create_table(
        "proposals",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("rule", sa.JSON(), nullable=False),
        sa.Column("call_id", sa.String(), nullable=True),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.Column("made_by_id", sa.String(), nullable=False),
        sa.Column("made_by", sa.String(), nullable=False),
        sa.Column("made_at", sa.String(27), nullable=False),
        sa.Column("accepted", sa.Boolean(), nullable=True),
        sa.Column("closed_by", sa.String(), nullable=True),
        sa.Column("closed_at", sa.String(27), nullable=True),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"]),
        sa.ForeignKeyConstraint(["made_by_id"], ["reviewers.id"]),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"]),
        sa.PrimaryKeyConstraint("id"),
    )


def _agent_entries() -> None:
    """Which entries are about which agent."""
    op.create_table(
        "agent_entries",
        sa.Column("agent_id", sa.String(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("agent_id", "position"),
        sqlite_with_rowid=False,
    )
    _file_old_entries()


def _file_old_entries() -> None:
    """By the database itself, one entry at a time: a log of any size fits. What is no JSON verification will name."""
    op.execute(_OLD)
    op.execute("INSERT INTO agent_entries SELECT agent, position FROM old_entries WHERE agent IS NOT NULL")
    op.execute(
        "INSERT INTO agent_entries SELECT requests.agent_id, old_entries.position FROM old_entries "
        "JOIN requests ON requests.id = old_entries.request WHERE agent IS NULL"
    )
    op.execute(
        "INSERT INTO agent_entries SELECT calls.agent_id, old_entries.position FROM old_entries "
        "JOIN calls ON calls.id = old_entries.call WHERE agent IS NULL AND request IS NULL"
    )
    op.execute("DROP VIEW old_entries")


_OLD = """
CREATE TEMP VIEW old_entries AS
SELECT
    position,
    json_extract(entry, '$.agent') AS agent,
    json_extract(entry, '$.request') AS request,
    json_extract(entry, '$.call') AS call
FROM (
    SELECT position, CASE WHEN json_valid(CAST(data AS TEXT)) THEN CAST(data AS TEXT) END AS entry FROM log_entries
)
WHERE json_extract(entry, '$.type') IN (
    'agent_signed_in', 'request_opened', 'request_denied', 'request_closed', 'answer_delivered', 'answer_released',
    'consequence_reported', 'credential_stored', 'call_denied', 'call_intended', 'call_ended'
)
"""
