"""What the log holds: one frozen dataclass an entry type, documented with its fields. Pure.

A field is an identifier, a number, a moment, a yes or no, or a word of ours. Text that people or agents wrote is never
among them: it stands as `Concealed`, and becomes a salted reference in the entry (`name_ref`) beside a disclosure that
can be erased. `Reference` names a text that an earlier entry concealed.

One long list and no logic, in one file: it is read beside the table in section 9 of SPEC.md.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from store.lifecycle import Kind, Outcome, Surface

FORMAT = "assent/entry/v1"


class Assurance(StrEnum):
    """How far the agent's side was kept from the server's own files when this happened."""

    SHARED_USER = "shared_user"
    SEPARATE_USER = "separate_user"
    REMOTE = "remote"


class Permission(StrEnum):
    """What lets a governed call run."""

    ALLOWED = "allowed"
    NOTICED = "noticed"
    APPROVED = "approved"


class CallEnd(StrEnum):
    """How a governed call ended."""

    RETURNED = "returned"
    FAILED = "failed"
    """The upstream could not be reached, or did not answer as the protocol demands, or not in time."""
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    """The server ended while it ran: whether it took effect will never be known here."""
    RELEASED = "released"
    """Of a tool of the agent's own: its client was told that it may run. What came of it only the client knows."""


class Halting(StrEnum):
    """How people hold an agent back."""

    PAUSED = "paused"
    """What rules would let through is held."""
    STOPPED = "stopped"
    """It is refused altogether: its waits end, and what runs for it is cancelled."""


@dataclass(frozen=True)
class Concealed:
    """A text of people or agents: the entry gets its salted hash, the side table the text."""

    text: str


@dataclass(frozen=True)
class Reference:
    """The salted hash of a text that an earlier entry concealed, as hex."""

    commitment: str


Text = Concealed | Reference
Value = str | int | bool | datetime | Text | None


@dataclass(frozen=True)
class Event:
    """Something that happened. `type` is its name in the log; fields that are None are left out."""

    type: ClassVar[str]


@dataclass(frozen=True)
class ServerStarted(Event):
    """A server took up its work. `clean` is whether the one before it said that it stopped."""

    type = "server_started"
    version: str
    instance: str
    clean: bool


@dataclass(frozen=True)
class ServerStopped(Event):
    """A server ended as it was told to."""

    type = "server_stopped"
    instance: str


@dataclass(frozen=True)
class ClockJumped(Event):
    """The wall clock went another way than time did."""

    type = "clock_jumped"
    by_milliseconds: int


@dataclass(frozen=True)
class AgentSignedIn(Event):
    """The first call of an agent to this server process by this way."""

    type = "agent_signed_in"
    agent: str
    via: str


@dataclass(frozen=True)
class ReviewerSignedIn(Event):
    """A browser session began."""

    type = "reviewer_signed_in"
    reviewer: str
    session: str
    method: str


@dataclass(frozen=True)
class SessionEnded(Event):
    """A browser session was ended: by its person, or by the admin `by`."""

    type = "session_ended"
    reviewer: str
    session: str
    by: str | None = None


@dataclass(frozen=True)
class SignInsFailed(Event):
    """Attempts that did not sign anybody in, since the entry before of this type; at most one entry a minute."""

    type = "sign_ins_failed"
    count: int


@dataclass(frozen=True)
class RequestOpened(Event):
    """An agent asked. `card` is everything a reviewer is shown, in its canonical form."""

    type = "request_opened"
    request: str
    kind: Kind
    agent: str
    card: Text
    fingerprint: Text
    expires_at: datetime
    follows: str | None


@dataclass(frozen=True)
class RequestShown(Event):
    """A reviewer was shown this very card."""

    type = "request_shown"
    request: str
    reviewer: str
    card: Text
    surface: Surface


@dataclass(frozen=True)
class RequestVoted(Event):
    """A person approved by this option, and the card asks for more persons than that. `answer` names the option."""

    type = "request_voted"
    request: str
    reviewer: str
    authenticated_by: str
    surface: Surface
    card: Text
    answer: Text
    comment: Text | None = None
    passkey: str | None = None
    statement: Text | None = None
    client_data: Text | None = None
    authenticator_data: str | None = None
    signature: str | None = None


@dataclass(frozen=True)
class RequestEscalated(Event):
    """Half of the time is gone: whom the card names for that may answer from now on, too."""

    type = "request_escalated"
    request: str
    card: Text


@dataclass(frozen=True)
class RequestDenied(Event):
    """A rule kept an agent from asking; `why` names the rule.

    At most one entry a minute for an agent and a rule; `count` are the denials since the one before, this one included.
    """

    type = "request_denied"
    agent: str
    kind: Kind
    why: Text
    count: int
    policy_sha256: str | None = None


@dataclass(frozen=True)
class RequestClosed(Event):
    """How a request ended, and what that means. The fields of the decision are absent where nobody decided."""

    type = "request_closed"
    request: str
    outcome: Outcome
    may_proceed: bool
    meaning: str
    card: Text
    reviewer: str | None = None
    authenticated_by: str | None = None
    surface: Surface | None = None
    answer: Text | None = None
    comment: Text | None = None
    passkey: str | None = None
    statement: Text | None = None
    client_data: Text | None = None
    authenticator_data: str | None = None
    signature: str | None = None


@dataclass(frozen=True)
class AnswerClaimed(Event):
    """The outcome was taken for one call, before it was written to it."""

    type = "answer_claimed"
    request: str
    call: str


@dataclass(frozen=True)
class AnswerDelivered(Event):
    """The outcome was handed to the transport with the caller still there."""

    type = "answer_delivered"
    request: str
    call: str


@dataclass(frozen=True)
class AnswerReleased(Event):
    """Writing the outcome failed; the next call that asks may have it."""

    type = "answer_released"
    request: str
    call: str


@dataclass(frozen=True)
class ConsequenceReported(Event):
    """What the agent says came of a decision."""

    type = "consequence_reported"
    request: str
    result: Text
    details: Text | None


@dataclass(frozen=True)
class CredentialStored(Event):
    """A typed secret was sealed."""

    type = "credential_stored"
    credential: str
    version: int
    request: str
    agent: str
    kid: str
    ciphertext_sha256: str


@dataclass(frozen=True)
class CredentialRevoked(Event):
    """A credential opens no more."""

    type = "credential_revoked"
    credential: str


@dataclass(frozen=True)
class AccountAdded(Event):
    """A person got an account."""

    type = "account_added"
    reviewer: str
    role: str
    username: Text
    display_name: Text


@dataclass(frozen=True)
class RoleChanged(Event):
    """An account got another role. Here and below, `by` is the admin who did it; absent: the command line."""

    type = "role_changed"
    reviewer: str
    role: str
    by: str | None


@dataclass(frozen=True)
class AccountDisabled(Event):
    """An account signs nobody in any more; its sessions and reading tokens ended."""

    type = "account_disabled"
    reviewer: str
    by: str | None


@dataclass(frozen=True)
class AccountEnabled(Event):
    """A disabled account can be signed in to again."""

    type = "account_enabled"
    reviewer: str
    by: str | None


@dataclass(frozen=True)
class AccountReset(Event):
    """Every way into an account was revoked: sessions, passkeys, password, reading tokens. A new link leads back in."""

    type = "account_reset"
    reviewer: str
    by: str | None


@dataclass(frozen=True)
class InvitationMade(Event):
    """A one-time link to a new account of this name and role; with `reviewer`, back into one that was reset."""

    type = "invitation_made"
    invitation: str
    username: Text
    role: str
    expires_at: datetime
    reviewer: str | None
    by: str | None


@dataclass(frozen=True)
class InvitationUsed(Event):
    """Somebody set a password, or linked an identity, by it: the account is theirs."""

    type = "invitation_used"
    invitation: str
    reviewer: str


@dataclass(frozen=True)
class InvitationWithdrawn(Event):
    """The link opens nothing any more."""

    type = "invitation_withdrawn"
    invitation: str
    by: str | None


@dataclass(frozen=True)
class PasswordChanged(Event):
    """An account's password was set anew."""

    type = "password_changed"
    reviewer: str


@dataclass(frozen=True)
class PasskeyAdded(Event):
    """A passkey was registered; its public key is what later signatures are checked with."""

    type = "passkey_added"
    reviewer: str
    passkey: str
    credential_id: str
    public_key: str


@dataclass(frozen=True)
class PasskeyRemoved(Event):
    """A passkey was forgotten."""

    type = "passkey_removed"
    reviewer: str
    passkey: str


@dataclass(frozen=True)
class PasskeyRenamed(Event):
    """A person calls a passkey otherwise."""

    type = "passkey_renamed"
    reviewer: str
    passkey: str
    name: Text


@dataclass(frozen=True)
class IdentityLinked(Event):
    """An account of another provider signs this person in from now on. `identity` names it here."""

    type = "identity_linked"
    reviewer: str
    identity: str
    issuer: Text
    subject: Text


@dataclass(frozen=True)
class IdentityUnlinked(Event):
    """That account of another provider signs nobody in any more."""

    type = "identity_unlinked"
    reviewer: str
    identity: str


@dataclass(frozen=True)
class ReviewerTokenAdded(Event):
    """A token that reads as this person."""

    type = "reviewer_token_added"
    reviewer: str


@dataclass(frozen=True)
class PushDeviceAdded(Event):
    """A browser of this person's is told of new requests from now on."""

    type = "push_device_added"
    reviewer: str
    device: str


@dataclass(frozen=True)
class PushDeviceRemoved(Event):
    """It is told nothing any more. `by` says what ended it; see `store.push.ends.Ended`."""

    type = "push_device_removed"
    reviewer: str
    device: str
    by: str


@dataclass(frozen=True)
class SetupLinkMade(Event):
    """A link that makes the first account, by whoever has the server's files."""

    type = "setup_link_made"


@dataclass(frozen=True)
class SetupLinkUsed(Event):
    """The first account was made with it."""

    type = "setup_link_used"
    reviewer: str


@dataclass(frozen=True)
class AgentAdded(Event):
    """An agent was made known."""

    type = "agent_added"
    agent: str
    name: Text
    owner: Text | None
    workflow: Text | None


@dataclass(frozen=True)
class AgentTokenAdded(Event):
    """An agent got a token."""

    type = "agent_token_added"
    agent: str


@dataclass(frozen=True)
class AgentRevoked(Event):
    """An agent is refused from now on."""

    type = "agent_revoked"
    agent: str
    by: str | None = None


@dataclass(frozen=True)
class AgentOwnerChanged(Event):
    """Another person answers for an agent; without `owner`, nobody does."""

    type = "agent_owner_changed"
    agent: str
    owner: Text | None
    by: str | None


@dataclass(frozen=True)
class PolicyActivated(Event):
    """Rules were put in force, by this admin or, without one, by whoever has the server's files."""

    type = "policy_activated"
    policy_sha256: str
    policy: Text
    via: str
    reviewer: str | None


@dataclass(frozen=True)
class ArgumentsEdited(Event):
    """A reviewer changed what a held call would run with: it has a new card, which everybody must be shown anew."""

    type = "arguments_edited"
    request: str
    reviewer: str
    authenticated_by: str
    surface: Surface
    card: Text
    """The new card; entries after this one name it."""
    instead_of: Text
    """The card before."""
    expires_at: datetime
    """By the rules for what it holds now: never later than before."""


@dataclass(frozen=True)
class CallDenied(Event):
    """A call was turned away before anybody was asked; `why` names the rule, or what was wrong with the call.

    At most one entry a minute for an agent, a tool and a reason; `count` are the denials since the one before, this one
    included. `tool` is the name as it was called, where it was of use, and `arguments` are those of this one.
    """

    type = "call_denied"
    agent: str
    tool: Text
    why: Text
    arguments: Text | None
    count: int
    policy_sha256: str | None = None


@dataclass(frozen=True)
class CallIntended(Event):
    """A governed call is about to be sent upstream. `permission` is what lets it: a rule, or the answer to `request`.

    `tool` is the name by which rules match it, `rules` the names of those that matched, as a JSON list, `definition`
    the hash of what the upstream says of the tool: as it was accepted, or, with an approval, as its card names it.
    """

    type = "call_intended"
    call: str
    agent: str
    permission: Permission
    request: str | None
    tool: Text
    arguments: Text
    definition: Text | None
    rules: Text
    policy_sha256: str | None
    stated: Text | None = None
    """What the agent's side said of it by itself, as canonical JSON: `reasoning`, and `facts` by name. Nobody checked
    it."""


@dataclass(frozen=True)
class CallEnded(Event):
    """What came of it. `result` is the hash of what the upstream returned, in its canonical form, as hex."""

    type = "call_ended"
    call: str
    end: CallEnd
    is_error: bool
    milliseconds: int
    result_bytes: int
    result: Text | None


@dataclass(frozen=True)
class DefinitionSeen(Event):
    """An upstream defines something that it did not define before, or otherwise: calls of it are held until a person
    accepts it. Its first definitions, under a launch line that was activated, are accepted with that."""

    type = "definition_seen"
    name: Text
    definition: Text
    """Its hash."""
    accepted: bool


@dataclass(frozen=True)
class DefinitionAccepted(Event):
    """A person accepted what an upstream defines now; without `reviewer`, whoever has the server's files."""

    type = "definition_accepted"
    name: Text
    definition: Text
    reviewer: str | None


@dataclass(frozen=True)
class UpstreamRestarted(Event):
    """A person had an upstream ended and started anew; without `reviewer`, whoever has the server's files."""

    type = "upstream_restarted"
    name: Text
    reviewer: str | None


@dataclass(frozen=True)
class AgentHalted(Event):
    """A person held an agent back; without `agent`, everything. A stop takes the place of a pause. Without `reviewer`,
    it was whoever has the server's files."""

    type = "agent_halted"
    agent: str | None
    how: Halting
    reviewer: str | None
    why: Text | None


@dataclass(frozen=True)
class AgentResumed(Event):
    """What was paused or stopped goes on: an agent, or, without `agent`, what was stopped as a whole. Who was stopped
    by name stays so."""

    type = "agent_resumed"
    agent: str | None
    reviewer: str | None


@dataclass(frozen=True)
class RuleProposed(Event):
    """A person proposed a rule because of a call, or of a request that held one. It is not in force by that."""

    type = "rule_proposed"
    proposal: str
    rule: Text
    """As JSON."""
    reviewer: str
    call: str | None
    request: str | None


@dataclass(frozen=True)
class RuleProposalClosed(Event):
    """A proposed rule was put in force, by the activation right before, or put aside."""

    type = "rule_proposal_closed"
    proposal: str
    accepted: bool
    reviewer: str


@dataclass(frozen=True)
class LogExported(Event):
    """The log left the house, up to this size."""

    type = "log_exported"
    size: int


@dataclass(frozen=True)
class LogVerified(Event):
    """Somebody verified the log, up to this size, and found no fault."""

    type = "log_verified"
    size: int


@dataclass(frozen=True)
class TextErased(Event):
    """A concealed text was erased; its reference stays and says that there was one."""

    type = "text_erased"
    text: Reference


EVENTS: dict[str, type[Event]] = {event.type: event for event in Event.__subclasses__()}
"""Every entry type there is, by its name in the log."""
