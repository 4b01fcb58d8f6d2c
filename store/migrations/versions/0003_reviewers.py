"""Reviewers: who may decide, how they are asked, and how they sign."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    _policy()
    _votes()
    _people()
    _signatures()
    _push()
    _precedents()


def _policy() -> None:
    """The rules in force, by hash."""
    op.create_table(
        "policies",
        sa.Column("log_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("activated_at", sa.String(27), nullable=False),
        sa.Column("activated_by_id", sa.String(), nullable=True),
        sa.Column("activated_by", sa.String(), nullable=True),
        sa.Column("via", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["activated_by_id"], ["reviewers.id"]),
        sa.PrimaryKeyConstraint("log_index"),
    )


def _votes() -> None:
    """Answers of which a request needs several, and whom it asks."""
    op.add_column("requests", sa.Column("escalates_at", sa.String(27), nullable=True))
    op.add_column("requests", sa.Column("escalated_at", sa.String(27), nullable=True))
    op.add_column("requests", sa.Column("hidden_from", sa.Integer(), nullable=True))
    op.create_index("requests_escalating", "requests", ["state", "escalated_at", "escalates_at"], unique=False)
    op.create_table(
        "votes",
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("reviewer_id", sa.String(), nullable=False),
        sa.Column("display_name", sa.String(), nullable=False),
        sa.Column("option", sa.String(), nullable=True),
        sa.Column("approves", sa.Boolean(), nullable=False),
        sa.Column("said", sa.String(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("authenticated_by", sa.String(), nullable=False),
        sa.Column("log_position", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"]),
        sa.ForeignKeyConstraint(["reviewer_id"], ["reviewers.id"]),
        sa.PrimaryKeyConstraint("request_id", "reviewer_id"),
    )
    op.create_index("votes_of_reviewer", "votes", ["reviewer_id"], unique=False)
    op.create_table(
        "denials",
        sa.Column("agent_id", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("unrecorded", sa.Integer(), nullable=False),
        sa.Column("recorded_at", sa.String(27), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"]),
        sa.PrimaryKeyConstraint("agent_id", "why"),
    )


def _people() -> None:
    """Invitations, resets, identities of other providers."""
    op.add_column("reviewers", sa.Column("origin", sa.String(), nullable=False, server_default="setup"))
    op.add_column("reviewers", sa.Column("disabled_at", sa.String(27), nullable=True))
    op.add_column("reviewers", sa.Column("reset_at", sa.String(27), nullable=True))
    op.create_table(
        "invitations",
        sa.Column("token_sha256", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("username", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("reviewer_id", sa.String(), nullable=True),
        sa.Column("made_by", sa.String(), nullable=True),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("expires_at", sa.String(27), nullable=False),
        sa.ForeignKeyConstraint(["reviewer_id"], ["reviewers.id"]),
        sa.ForeignKeyConstraint(["made_by"], ["reviewers.id"]),
        sa.PrimaryKeyConstraint("token_sha256"),
        sa.UniqueConstraint("id"),
    )
    op.create_index(op.f("ix_invitations_reviewer_id"), "invitations", ["reviewer_id"], unique=False)
    op.create_table(
        "identities",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("reviewer_id", sa.String(), nullable=False),
        sa.Column("identity_sha256", sa.String(), nullable=False),
        sa.Column("issuer", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("last_used_at", sa.String(27), nullable=True),
        sa.ForeignKeyConstraint(["reviewer_id"], ["reviewers.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("identity_sha256"),
    )
    op.create_index(op.f("ix_identities_reviewer_id"), "identities", ["reviewer_id"], unique=False)


def _signatures() -> None:
    """Decisions signed with passkeys."""
    op.create_table(
        "signing_nonces",
        sa.Column("session_id", sa.String(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("reviewer_id", sa.String(), nullable=False),
        sa.Column("passkey_id", sa.String(), nullable=False),
        sa.Column("statement", sa.Text(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("relying_party", sa.String(), nullable=False),
        sa.Column("expires_at", sa.String(27), nullable=False),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"]),
        sa.ForeignKeyConstraint(["reviewer_id"], ["reviewers.id"]),
        sa.PrimaryKeyConstraint("session_id", "request_id"),
    )
    op.create_table(
        "signatures",
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("reviewer_id", sa.String(), nullable=False),
        sa.Column("passkey_id", sa.String(), nullable=False),
        sa.Column("passkey_name", sa.String(), nullable=False),
        sa.Column("statement", sa.Text(), nullable=False),
        sa.Column("client_data", sa.LargeBinary(), nullable=False),
        sa.Column("authenticator_data", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"]),
        sa.ForeignKeyConstraint(["reviewer_id"], ["reviewers.id"]),
        sa.PrimaryKeyConstraint("request_id", "reviewer_id"),
    )


def _push() -> None:
    """Devices that are told of new requests."""
    op.create_table(
        "push_subscriptions",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("reviewer_id", sa.String(), nullable=False),
        sa.Column("endpoint_sha256", sa.String(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("p256dh", sa.LargeBinary(), nullable=False),
        sa.Column("auth", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("told_at", sa.String(27), nullable=True),
        sa.Column("trouble", sa.String(), nullable=True),
        sa.Column("test_wanted", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["reviewer_id"], ["reviewers.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("endpoint_sha256"),
    )
    op.create_index(op.f("ix_push_subscriptions_reviewer_id"), "push_subscriptions", ["reviewer_id"], unique=False)
    op.create_table(
        "push_notices",
        sa.Column("subscription_id", sa.String(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("alone", sa.Boolean(), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.ForeignKeyConstraint(["subscription_id"], ["push_subscriptions.id"]),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"]),
        sa.PrimaryKeyConstraint("subscription_id", "request_id"),
    )


def _precedents() -> None:
    """What came before a request is looked up with every card."""
    op.create_index("requests_past", "requests", ["agent_id", "closed_at"], unique=False)
    op.create_index("requests_followed", "requests", ["follows"], unique=False)
