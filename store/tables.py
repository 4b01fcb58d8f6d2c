"""The tables. Columns only, no behaviour: rows change in use cases, through the one writer."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    TypeDecorator,
    text,
)
from sqlmodel import Field, SQLModel

from store.moments import from_text, to_text


class UtcTime(TypeDecorator[datetime]):
    """An aware moment kept as sortable text; see `store.moments`."""

    impl = String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        return None if value is None else to_text(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else from_text(value)


class ReviewerRow(SQLModel, table=True):
    """A person with an account on the review site."""

    __tablename__ = "reviewers"
    id: str = Field(primary_key=True)
    username: str
    username_key: str = Field(unique=True, description="The name with case and compatibility forms folded.")
    display_name: str
    role: str
    password_hash: str | None = None
    created_at: datetime = Field(sa_type=UtcTime)
    origin: str = Field(default="setup", description="By which door it was made; see `store.people.accounts.Origin`.")
    disabled_at: datetime | None = Field(default=None, sa_type=UtcTime, description="Nobody signs in to it since then.")
    reset_at: datetime | None = Field(default=None, sa_type=UtcTime, description="When its ways in were last revoked.")


class PasskeyRow(SQLModel, table=True):
    """A WebAuthn credential of a reviewer."""

    __tablename__ = "passkeys"
    id: str = Field(primary_key=True)
    reviewer_id: str = Field(foreign_key="reviewers.id", index=True)
    credential_id: bytes = Field(sa_column=Column(LargeBinary, unique=True, nullable=False))
    public_key: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    sign_count: int
    name: str
    transports: list[str] = Field(sa_column=Column(JSON, nullable=False))
    created_at: datetime = Field(sa_type=UtcTime)
    last_used_at: datetime | None = Field(default=None, sa_type=UtcTime)


class SessionRow(SQLModel, table=True):
    """A signed-in browser, known by the hash of its cookie."""

    __tablename__ = "sessions"
    secret_sha256: str = Field(primary_key=True)
    id: str = Field(unique=True)
    reviewer_id: str = Field(foreign_key="reviewers.id", index=True)
    method: str
    client: str
    created_at: datetime = Field(sa_type=UtcTime)
    expires_at: datetime = Field(sa_type=UtcTime)
    last_seen_at: datetime = Field(sa_type=UtcTime)


class SetupLinkRow(SQLModel, table=True):
    """A one-time way to make the first account."""

    __tablename__ = "setup_links"
    token_sha256: str = Field(primary_key=True)
    created_at: datetime = Field(sa_type=UtcTime)
    expires_at: datetime = Field(sa_type=UtcTime)


class InvitationRow(SQLModel, table=True):
    """A one-time link, to a new account or, where it names a reviewer, back into one that was reset."""

    __tablename__ = "invitations"
    token_sha256: str = Field(primary_key=True)
    id: str = Field(unique=True)
    username: str
    role: str
    reviewer_id: str | None = Field(default=None, foreign_key="reviewers.id", index=True)
    made_by: str | None = Field(default=None, foreign_key="reviewers.id", description="None: the command line.")
    created_at: datetime = Field(sa_type=UtcTime)
    expires_at: datetime = Field(sa_type=UtcTime)


class IdentityRow(SQLModel, table=True):
    """An account of another provider with which a reviewer signs in."""

    __tablename__ = "identities"
    id: str = Field(primary_key=True)
    reviewer_id: str = Field(foreign_key="reviewers.id", index=True)
    identity_sha256: str = Field(unique=True, description="Of issuer and subject: the two that say who it is.")
    issuer: str
    label: str = Field(description="What the provider called the person then, for people to read.")
    created_at: datetime = Field(sa_type=UtcTime)
    last_used_at: datetime | None = Field(default=None, sa_type=UtcTime)


class ReviewerTokenRow(SQLModel, table=True):
    """A token that reads as a reviewer and decides nothing."""

    __tablename__ = "reviewer_tokens"
    token_sha256: str = Field(primary_key=True)
    reviewer_id: str = Field(foreign_key="reviewers.id", index=True)
    created_at: datetime = Field(sa_type=UtcTime)


class AgentRow(SQLModel, table=True):
    """A program that calls tools."""

    __tablename__ = "agents"
    id: str = Field(primary_key=True)
    name: str = Field(unique=True)
    owner: str | None = None
    workflow: str | None = None
    created_at: datetime = Field(sa_type=UtcTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcTime)


class AgentTokenRow(SQLModel, table=True):
    """A token of an agent, kept as its hash."""

    __tablename__ = "agent_tokens"
    token_sha256: str = Field(primary_key=True)
    agent_id: str = Field(foreign_key="agents.id", index=True)
    created_at: datetime = Field(sa_type=UtcTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcTime)


class RequestRow(SQLModel, table=True):
    """One question, from the moment it was asked to what became of its answer."""

    __tablename__ = "requests"
    __table_args__ = (
        Index("requests_open", "state", "expires_at"),
        Index("requests_closed", "closed_at"),
        Index("requests_same", "agent_id", "fingerprint"),
        Index("requests_key", "agent_id", "idempotency_key"),
        Index("requests_call", "agent_id", "call_id"),
        Index("requests_rate", "agent_id", "opened_at"),
        Index("requests_past", "agent_id", "closed_at"),
        Index("requests_followed", "follows"),
        Index("requests_escalating", "state", "escalated_at", "escalates_at"),
        Index("requests_held", "opened_at", sqlite_where=text("tool IS NOT NULL")),
    )
    id: str = Field(primary_key=True)
    kind: str
    agent_id: str = Field(foreign_key="agents.id")
    agent_name: str
    owner: str | None = None
    state: str
    outcome: str | None = None
    title: str
    risk: str | None = None
    workflow: str | None = None
    follows: str | None = None
    fingerprint: str
    idempotency_key: str | None = None
    call_id: str | None = Field(default=None, description="What its client calls the newest call that asked it.")
    card: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    card_sha256: str
    opened_at: datetime = Field(sa_type=UtcTime)
    expires_at: datetime = Field(sa_type=UtcTime)
    closed_at: datetime | None = Field(default=None, sa_type=UtcTime)
    decided_by_id: str | None = Field(default=None, foreign_key="reviewers.id")
    decided_by: str | None = Field(default=None, description="The name as it was then.")
    authenticated_by: str | None = None
    surface: str | None = None
    assurance: str = Field(default="shared_user", description="How its agent was told apart when it asked.")
    card_ref: str = Field(default="", description="The salted hash by which the log's entries name the card.")
    closed_index: int | None = Field(default=None, description="The log entry of how it ended.")
    comment: str | None = Field(default=None, sa_column=Column(Text))
    answer: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))
    may_proceed: bool = False
    attachment: str | None = Field(default=None, description="The call that carries the answer: the newest one.")
    claimed_by: str | None = Field(default=None, description="The call that the answer is being written to.")
    claimed_run: str | None = Field(default=None, description="The run of the server that it was claimed in.")
    delivered_at: datetime | None = Field(default=None, sa_type=UtcTime)
    escalates_at: datetime | None = Field(default=None, sa_type=UtcTime, description="When further people are asked.")
    escalated_at: datetime | None = Field(default=None, sa_type=UtcTime)
    tool: str | None = Field(default=None, description="Of a held call: the name by which rules match it.")
    edits: int = Field(default=0, description="How often a reviewer changed what the held call would run with.")
    hidden_from: int | None = Field(
        default=None, description="Where several must approve: from which log entry on those who decide do not read."
    )


class ShowRow(SQLModel, table=True):
    """That a reviewer was shown a card, where and when first."""

    __tablename__ = "shows"
    request_id: str = Field(primary_key=True, foreign_key="requests.id")
    reviewer_id: str = Field(primary_key=True, foreign_key="reviewers.id")
    card_sha256: str = Field(primary_key=True)
    surface: str = Field(primary_key=True)
    display_name: str
    at: datetime = Field(sa_type=UtcTime)


class VoteRow(SQLModel, table=True):
    """One person's answer to a request that needs several; the last one, and the one that ended it, included."""

    __tablename__ = "votes"
    __table_args__ = (Index("votes_of_reviewer", "reviewer_id"),)
    request_id: str = Field(primary_key=True, foreign_key="requests.id")
    reviewer_id: str = Field(primary_key=True, foreign_key="reviewers.id")
    display_name: str = Field(description="The name as it was then.")
    option: str | None = Field(default=None, description="The button of the card; null for declining and asking back.")
    approves: bool
    said: str = Field(description="The answer in words, as it is shown once the request is closed.")
    comment: str | None = Field(default=None, sa_column=Column(Text))
    authenticated_by: str
    log_position: int = Field(sa_column=Column(BigInteger, nullable=False))
    at: datetime = Field(sa_type=UtcTime)


class DenialRow(SQLModel, table=True):
    """How often an agent was denied for one reason since the log last said so."""

    __tablename__ = "denials"
    agent_id: str = Field(primary_key=True, foreign_key="agents.id")
    why: str = Field(primary_key=True)
    unrecorded: int
    recorded_at: datetime = Field(sa_type=UtcTime)


class SigningNonceRow(SQLModel, table=True):
    """A statement that was handed out to be signed: one a session and request, used once; see `store.signing`."""

    __tablename__ = "signing_nonces"
    session_id: str = Field(primary_key=True)
    request_id: str = Field(primary_key=True, foreign_key="requests.id")
    reviewer_id: str = Field(foreign_key="reviewers.id")
    passkey_id: str
    statement: str = Field(sa_column=Column(Text, nullable=False))
    origin: str
    relying_party: str
    expires_at: datetime = Field(sa_type=UtcTime)


class SignatureRow(SQLModel, table=True):
    """What a person's passkey signed of their answer to a request, to the letter."""

    __tablename__ = "signatures"
    request_id: str = Field(primary_key=True, foreign_key="requests.id")
    reviewer_id: str = Field(primary_key=True, foreign_key="reviewers.id")
    passkey_id: str
    passkey_name: str = Field(description="The name as it was then.")
    statement: str = Field(sa_column=Column(Text, nullable=False))
    client_data: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    authenticator_data: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    signature: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    at: datetime = Field(sa_type=UtcTime)


class ConsequenceRow(SQLModel, table=True):
    """What an agent says came of a decision that it carried out itself."""

    __tablename__ = "consequences"
    id: str = Field(primary_key=True)
    request_id: str = Field(foreign_key="requests.id", index=True)
    result: str
    details: str | None = Field(default=None, sa_column=Column(Text))
    at: datetime = Field(sa_type=UtcTime)


class TaskRow(SQLModel, table=True):
    """A handle by which a call's agent comes back for the answer; see `store.tasks`."""

    __tablename__ = "tasks"
    id: str = Field(primary_key=True)
    request_id: str = Field(foreign_key="requests.id", index=True)
    agent_id: str = Field(foreign_key="agents.id")
    attachment: str = Field(description="The call that it stands for.")
    tool: str = Field(description="What was called: its result has that tool's form.")
    created_at: datetime = Field(sa_type=UtcTime)


class PushSubscriptionRow(SQLModel, table=True):
    """A browser of a reviewer that is told of new requests, and where to reach it; see `store.push.devices`."""

    __tablename__ = "push_subscriptions"
    id: str = Field(primary_key=True)
    reviewer_id: str = Field(foreign_key="reviewers.id", index=True)
    endpoint_sha256: str = Field(unique=True)
    endpoint: str = Field(sa_column=Column(Text, nullable=False))
    p256dh: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    auth: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    name: str
    created_at: datetime = Field(sa_type=UtcTime)
    told_at: datetime | None = Field(default=None, sa_type=UtcTime)
    trouble: str | None = Field(default=None, description="Why the newest message did not get there.")
    test_wanted: bool = Field(default=False, description="Its person asked for a message on trial.")


class PushNoticeRow(SQLModel, table=True):
    """That a browser was told of a request, until it was told how that ended."""

    __tablename__ = "push_notices"
    subscription_id: str = Field(primary_key=True, foreign_key="push_subscriptions.id")
    request_id: str = Field(primary_key=True, foreign_key="requests.id")
    alone: bool = Field(description="In a message of its own, which is taken back when the request ends.")
    at: datetime = Field(sa_type=UtcTime)


class CredentialRow(SQLModel, table=True):
    """A sealed secret; see `store.vault.sealing` for the bytes."""

    __tablename__ = "credentials"
    handle: str = Field(primary_key=True)
    agent_id: str = Field(foreign_key="agents.id", index=True)
    request_id: str = Field(foreign_key="requests.id", index=True)
    field: str
    version: int
    targets: list[str] = Field(sa_column=Column(JSON, nullable=False, server_default="[]"))
    kid: str
    wrapped_key: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    created_at: datetime = Field(sa_type=UtcTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcTime)


class PolicyRow(SQLModel, table=True):
    """A copy of the rules that was put in force; the newest by the log is the one that is."""

    __tablename__ = "policies"
    log_index: int = Field(
        sa_column=Column(BigInteger, primary_key=True, autoincrement=False), description="The log entry that says so."
    )
    sha256: str
    text: str = Field(sa_column=Column(Text, nullable=False))
    activated_at: datetime = Field(sa_type=UtcTime)
    activated_by_id: str | None = Field(default=None, foreign_key="reviewers.id")
    activated_by: str | None = Field(default=None, description="The name as it was then; None on the command line.")
    via: str


class CallRow(SQLModel, table=True):
    """A governed call that was let through, or the newest of its kind that was denied; see `store.calls`."""

    __tablename__ = "calls"
    __table_args__ = (
        Index("calls_newest", "started_at"),
        Index("calls_of_tool", "tool", "started_at"),
        Index("calls_running", "state"),
        Index("calls_of_agent", "agent_id", "started_at"),
    )
    id: str = Field(primary_key=True)
    request_id: str | None = Field(default=None, foreign_key="requests.id", unique=True, description="If it was held.")
    agent_id: str = Field(foreign_key="agents.id")
    agent_name: str
    workflow: str | None = None
    upstream: str
    tool: str = Field(description="The name by which rules match it.")
    arguments: str = Field(sa_column=Column(Text, nullable=False), description="Canonical JSON.")
    definition_sha256: str | None = None
    permission: str = Field(description="See `store.audit.events.Permission`; `denied` where nothing was sent.")
    rules: list[str] = Field(sa_column=Column(JSON, nullable=False))
    policy_sha256: str | None = None
    state: str = Field(description="`running`, one of `store.audit.events.CallEnd`, or `denied`.")
    is_error: bool = False
    sent: bool = Field(default=True, description="False where it is certain that nothing reached the upstream.")
    why: str | None = Field(default=None, sa_column=Column(Text), description="Why it failed or was denied.")
    result: str | None = Field(default=None, sa_column=Column(Text), description="Of a held call: what it returned.")
    result_bytes: int | None = None
    instance: str | None = Field(default=None, description="The run of the server that it was sent in.")
    assurance: str = Field(default="shared_user", description="How its agent was told apart when it called.")
    started_at: datetime = Field(sa_type=UtcTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcTime)
    milliseconds: int | None = None
    excerpt: str | None = Field(
        default=None, sa_column=Column(Text), description="How the text of what it returned begins, for who watches."
    )
    stated: str | None = Field(
        default=None, sa_column=Column(Text), description="What the agent's side said of it by itself: canonical JSON."
    )
    log_index: int | None = Field(
        default=None,
        sa_column=Column(BigInteger),
        description="The newest log entry that let it through or denied it.",
    )
    ended_index: int | None = Field(
        default=None, sa_column=Column(BigInteger), description="The log entry of how it ended."
    )


class SpendRow(SQLModel, table=True):
    """What one call took of the budget of one rule."""

    __tablename__ = "spends"
    # All that a sum of a window reads, so that it never leaves the index.
    __table_args__ = (Index("spends_of_rule", "rule_key", "at", "agent_id", "micros"),)
    call_id: str = Field(primary_key=True, foreign_key="calls.id")
    rule_key: str = Field(primary_key=True, description="The rule's name, folded, and which of its budgets.")
    agent_id: str = Field(foreign_key="agents.id")
    micros: int = Field(sa_column=Column(BigInteger, nullable=False), description="Millionths.")
    at: datetime = Field(sa_type=UtcTime)


class DefinitionRow(SQLModel, table=True):
    """What an upstream says that it has: a tool or a prompt, as it is now and as it was accepted."""

    __tablename__ = "definitions"
    upstream: str = Field(primary_key=True)
    method: str = Field(primary_key=True, description="See `store.calls.definitions.Method`.")
    name: str = Field(primary_key=True, description="The upstream's own name for it.")
    exposed: str = Field(description="What agents call it.")
    content: str = Field(sa_column=Column(Text, nullable=False), description="As it is now: canonical JSON.")
    sha256: str
    accepted_content: str | None = Field(default=None, sa_column=Column(Text))
    accepted_sha256: str | None = None
    accepted_at: datetime | None = Field(default=None, sa_type=UtcTime)
    accepted_by: str | None = Field(default=None, description="The name as it was then; None: with the launch line.")
    seen_at: datetime = Field(sa_type=UtcTime)
    gone_at: datetime | None = Field(default=None, sa_type=UtcTime, description="Not among what it lists now.")


class HaltRow(SQLModel, table=True):
    """That an agent, or everything, is held back at the moment; see `store.halts`."""

    __tablename__ = "halts"
    scope: str = Field(primary_key=True, description="The agent's id, or `*`.")
    how: str = Field(description="See `store.audit.events.Halting`.")
    by: str | None = Field(default=None, description="The name as it was then; None: the command line.")
    why: str | None = Field(default=None, sa_column=Column(Text))
    at: datetime = Field(sa_type=UtcTime)


class ProposalRow(SQLModel, table=True):
    """A rule that a person proposed; see `store.policy.proposals`."""

    __tablename__ = "proposals"
    id: str = Field(primary_key=True)
    rule: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False), description="Its fields, as in the file.")
    call_id: str | None = Field(default=None, foreign_key="calls.id", description="The call that it is because of.")
    request_id: str | None = Field(default=None, foreign_key="requests.id", description="Or the request that held one.")
    made_by_id: str = Field(foreign_key="reviewers.id")
    made_by: str = Field(description="The name as it was then.")
    made_at: datetime = Field(sa_type=UtcTime)
    accepted: bool | None = Field(default=None, description="None while it is open.")
    closed_by: str | None = None
    closed_at: datetime | None = Field(default=None, sa_type=UtcTime)


class AgentEntryRow(SQLModel, table=True):
    """That an entry of the log is about an agent, and one that the agent itself may read."""

    __tablename__ = "agent_entries"
    # Almost every entry has one: without row numbers it is written once, into the index that it is read by.
    __table_args__ = ({"sqlite_with_rowid": False},)
    agent_id: str = Field(primary_key=True)
    position: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))


class UpstreamRow(SQLModel, table=True):
    """How a server behind this one is doing, as far as the process that runs it knows."""

    __tablename__ = "upstreams"
    name: str = Field(primary_key=True)
    launch_sha256: str = Field(description="The launch line that its definitions were first accepted under.")
    state: str
    detail: str = Field(sa_column=Column(Text, nullable=False), description="The health line.")
    changed_at: datetime = Field(sa_type=UtcTime)
    restart_wanted: bool = Field(default=False, description="A person wants it started anew.")


class RunRow(SQLModel, table=True):
    """A server process, from its start to when it said that it stopped."""

    __tablename__ = "runs"
    instance: str = Field(primary_key=True)
    version: str
    started_at: datetime = Field(sa_type=UtcTime)
    stopped_at: datetime | None = Field(default=None, sa_type=UtcTime)


class ProbeRow(SQLModel, table=True):
    """What a try at writing leaves: one row as large as a change that matters."""

    __tablename__ = "probes"
    id: int = Field(primary_key=True)
    filler: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class LogEntryRow(SQLModel, table=True):
    """The bytes of one entry of the log, as they were hashed."""

    __tablename__ = "log_entries"
    position: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    data: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class LogNodeRow(SQLModel, table=True):
    """The hash of a complete subtree of the log."""

    __tablename__ = "log_nodes"
    level: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    position: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class LogHeadRow(SQLModel, table=True):
    """The newest signed checkpoint: one row."""

    __tablename__ = "log_head"
    size: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    note: str = Field(sa_column=Column(Text, nullable=False))


class DisclosureRow(SQLModel, table=True):
    """A text that entries name by its salted hash. This row can be erased; the entries stay."""

    __tablename__ = "disclosures"
    commitment: str = Field(primary_key=True)
    position: int = Field(sa_column=Column(BigInteger, nullable=False, index=True))
    key: str
    salt: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    text: str = Field(sa_column=Column(Text, nullable=False))


def table_of(row: type[SQLModel]) -> Table:
    """The Core table that a row class declares."""
    table = row.__table__  # type: ignore[attr-defined]
    assert isinstance(table, Table)
    return table


reviewers = table_of(ReviewerRow)
passkeys = table_of(PasskeyRow)
sessions = table_of(SessionRow)
setup_links = table_of(SetupLinkRow)
invitations = table_of(InvitationRow)
identities = table_of(IdentityRow)
reviewer_tokens = table_of(ReviewerTokenRow)
agents = table_of(AgentRow)
agent_tokens = table_of(AgentTokenRow)
requests = table_of(RequestRow)
shows = table_of(ShowRow)
votes = table_of(VoteRow)
denials = table_of(DenialRow)
signing_nonces = table_of(SigningNonceRow)
signatures = table_of(SignatureRow)
consequences = table_of(ConsequenceRow)
tasks = table_of(TaskRow)
push_subscriptions = table_of(PushSubscriptionRow)
push_notices = table_of(PushNoticeRow)
credentials = table_of(CredentialRow)
policies = table_of(PolicyRow)
calls = table_of(CallRow)
spends = table_of(SpendRow)
definitions = table_of(DefinitionRow)
upstreams = table_of(UpstreamRow)
halts = table_of(HaltRow)
proposals = table_of(ProposalRow)
agent_entries = table_of(AgentEntryRow)
runs = table_of(RunRow)
probes = table_of(ProbeRow)
log_entries = table_of(LogEntryRow)
log_nodes = table_of(LogNodeRow)
log_head = table_of(LogHeadRow)
disclosures = table_of(DisclosureRow)
