"""Governed calls: what servers behind this one define, the calls that were let through, and what they spent."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    _upstreams()
    _calls()
    _held_calls()


def _upstreams() -> None:
    """The servers behind this one, and what they define."""
    op.create_table(
        "definitions",
        sa.Column("upstream", sa.String(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("exposed", sa.String(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("accepted_content", sa.Text(), nullable=True),
        sa.Column("accepted_sha256", sa.String(), nullable=True),
        sa.Column("accepted_at", sa.String(27), nullable=True),
        sa.Column("accepted_by", sa.String(), nullable=True),
        sa.Column("seen_at", sa.String(27), nullable=False),
        sa.Column("gone_at", sa.String(27), nullable=True),
        sa.PrimaryKeyConstraint("upstream", "method", "name"),
    )
    op.create_table(
        "upstreams",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("launch_sha256", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.String(27), nullable=False),
        sa.Column("restart_wanted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def _calls() -> None:
    """What was let through, and what of it counts against budgets."""
    op.create_table(
        "calls",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.Column("agent_id", sa.String(), nullable=False),
        sa.Column("agent_name", sa.String(), nullable=False),
        sa.Column("workflow", sa.String(), nullable=True),
        sa.Column("upstream", sa.String(), nullable=False),
        sa.Column("tool", sa.String(), nullable=False),
        sa.Column("arguments", sa.Text(), nullable=False),
        sa.Column("definition_sha256", sa.String(), nullable=True),
        sa.Column("permission", sa.String(), nullable=False),
        sa.Column("rules", sa.JSON(), nullable=False),
        sa.Column("policy_sha256", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("is_error", sa.Boolean(), nullable=False),
        sa.Column("sent", sa.Boolean(), nullable=False),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("result_bytes", sa.Integer(), nullable=True),
        sa.Column("instance", sa.String(), nullable=True),
        sa.Column("assurance", sa.String(), nullable=False),
        sa.Column("started_at", sa.String(27), nullable=False),
        sa.Column("ended_at", sa.String(27), nullable=True),
        sa.Column("milliseconds", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"]),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("request_id"),
    )
    op.create_index("calls_newest", "calls", ["started_at"], unique=False)
    op.create_index("calls_of_tool", "calls", ["tool", "started_at"], unique=False)
    op.create_index("calls_running", "calls", ["state"], unique=False)
    op.create_table(
        "spends",
        sa.Column("call_id", sa.String(), nullable=False),
        sa.Column("rule_key", sa.String(), nullable=False),
        sa.Column("agent_id", sa.String(), nullable=False),
        sa.Column("micros", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"]),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"]),
        sa.PrimaryKeyConstraint("call_id", "rule_key"),
    )
    op.create_index("spends_of_rule", "spends", ["rule_key", "at", "agent_id", "micros"], unique=False)


def _held_calls() -> None:
    """Requests that hold a call."""
    op.add_column("requests", sa.Column("tool", sa.String(), nullable=True))
    op.add_column("requests", sa.Column("edits", sa.Integer(), nullable=False, server_default="0"))
