"""A log in which everything happens that should, and what is needed to make another of it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from store.audit.canonical import decode, encode
from store.audit.checkpoint import Checkpoint, LogKey
from store.audit.entry import Disclosure, Entry, entry_of
from store.audit.events import (
    AccountAdded,
    AgentAdded,
    AgentRevoked,
    AgentSignedIn,
    AnswerClaimed,
    AnswerDelivered,
    AnswerReleased,
    Assurance,
    Concealed,
    ConsequenceReported,
    CredentialRevoked,
    CredentialStored,
    Event,
    LogExported,
    Reference,
    RequestClosed,
    RequestOpened,
    RequestShown,
    ReviewerSignedIn,
    ServerStarted,
    ServerStopped,
)
from store.audit.merkle import root
from store.audit.verify import Verified, verify
from store.lifecycle import Kind, Outcome, Surface, meaning
from tests.store.audit.growing import Tree

KEY = LogKey("log.example/assent", bytes(range(32)))
START = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Log:
    """Entries and the texts behind them."""

    entries: tuple[bytes, ...]
    texts: tuple[tuple[int, Disclosure], ...]

    @property
    def note(self) -> str:
        return self.note_at(len(self.entries))

    def note_at(self, size: int) -> str:
        return KEY.sign(Checkpoint(KEY.name, size, root(Tree(self.entries[:size]).frontier)))

    def index(self, kind: str, nth: int = 0) -> int:
        """Where the nth entry of a type stands."""
        return [i for i, data in enumerate(self.entries) if decode(data)["type"] == kind][nth]

    def verified(self, note: str | None = None, **options: Any) -> Verified:
        return verify(
            enumerate(self.entries),
            self.note if note is None else note,
            options.pop("vkeys", [KEY.verifier]),
            disclosures=options.pop("disclosures", self.texts),
            **options,
        )

    def changed(self, index: int, **members: Any) -> "Log":
        """The same with one entry's fields changed (None removes one), as its server would have written it."""
        entry = {**decode(self.entries[index]), **members}
        data = encode({key: value for key, value in entry.items() if value is not None})
        return replace(self, entries=(*self.entries[:index], data, *self.entries[index + 1 :]))

    def without(self, *gone: int) -> "Log":
        """The same without some entries, as its server would have written it."""
        kept = [index for index in range(len(self.entries)) if index not in gone]
        return Log(
            tuple(self.entries[index] for index in kept),
            tuple((kept.index(at), text) for at, text in self.texts if at in kept),
        )


class Writer:
    """Writes events a second apart."""

    def __init__(self) -> None:
        self.now = START
        self.entries: list[Entry] = []
        self.kinds: dict[str, Kind] = {}

    def write(self, event: Event) -> Entry:
        self.entries.append(entry_of(event, self.now, Assurance.SEPARATE_USER))
        self.now += timedelta(seconds=1)
        return self.entries[-1]

    def log(self) -> Log:
        texts = [(index, text) for index, entry in enumerate(self.entries) for text in entry.disclosures]
        return Log(tuple(entry.data for entry in self.entries), tuple(texts))


TAKEN_BACK = meaning(Kind.APPROVAL, Outcome.WITHDRAWN, may_proceed=False)
TOO_LATE = meaning(Kind.APPROVAL, Outcome.EXPIRED, may_proceed=False)


def begin(writer: Writer) -> None:
    writer.write(ServerStarted("0.1.0", "srv_1", clean=True))
    writer.write(AccountAdded("rev_1", "admin", Concealed("ana"), Concealed("Ana")))
    writer.write(AccountAdded("rev_2", "auditor", Concealed("ada"), Concealed("Ada")))
    writer.write(AgentAdded("agt_1", Concealed("builder"), None, None))
    writer.write(AgentSignedIn("agt_1", "http"))
    writer.write(ReviewerSignedIn("rev_1", "ses_1", "password"))


def open_request(
    writer: Writer, name: str, *, kind: Kind = Kind.APPROVAL, follows: str | None = None, **more: object
) -> Reference:
    """`more` are further members of the card."""
    expires_at = writer.now + timedelta(seconds=60)
    card = {
        "request_id": name,
        "kind": kind.value,
        "expires_at": expires_at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "buttons": [{"id": "approve", "approves": True}, {"id": "reject", "approves": False}],
        **more,
    }
    opened = RequestOpened(
        name, kind, "agt_1", Concealed(json.dumps(card)), Concealed(f"print of {name}"), expires_at, follows
    )
    writer.kinds[name] = kind
    return writer.write(opened).references["card"]


def decide(
    writer: Writer, name: str, card: Reference, outcome: Outcome, answer: object = None, *, may_proceed: bool = False
) -> None:
    writer.write(
        RequestClosed(
            name,
            outcome,
            may_proceed,
            meaning(writer.kinds[name], outcome, may_proceed=may_proceed),
            card,
            reviewer="rev_1",
            authenticated_by="password",
            surface=Surface.RENDERED_PAGE,
            answer=None if answer is None else Concealed(json.dumps(answer)),
            comment=Concealed("why?") if outcome is Outcome.RETURNED else None,
        )
    )


def story() -> Log:
    """A log with every kind of entry that has rules."""
    writer = Writer()
    begin(writer)
    card = open_request(writer, "req_1")
    writer.write(RequestShown("req_1", "rev_1", card, Surface.RENDERED_PAGE))
    decide(writer, "req_1", card, Outcome.ANSWERED, {"decision": "approve"}, may_proceed=True)
    writer.write(AnswerClaimed("req_1", "call_1"))
    writer.write(AnswerReleased("req_1", "call_1"))
    writer.write(AnswerClaimed("req_1", "call_2"))
    writer.write(AnswerDelivered("req_1", "call_2"))
    writer.write(ConsequenceReported("req_1", Concealed("done"), None))
    card = open_request(writer, "req_2", kind=Kind.FORM, follows="req_1")
    writer.write(RequestShown("req_2", "rev_1", card, Surface.FETCHED_JSON))
    writer.write(CredentialStored("cred_1", 1, "req_2", "agt_1", "kid", "00" * 32))
    decide(writer, "req_2", card, Outcome.ANSWERED, {"values": {}}, may_proceed=True)
    writer.write(CredentialRevoked("cred_1"))
    card = open_request(writer, "req_3")
    writer.write(RequestClosed("req_3", Outcome.WITHDRAWN, False, TAKEN_BACK, card))
    writer.write(AnswerClaimed("req_3", "call_3"))
    card = open_request(writer, "req_4")
    writer.now += timedelta(seconds=60)
    writer.write(RequestClosed("req_4", Outcome.EXPIRED, False, TOO_LATE, card))
    card = open_request(writer, "req_5")
    writer.write(RequestShown("req_5", "rev_1", card, Surface.RENDERED_PAGE))
    decide(writer, "req_5", card, Outcome.RETURNED)
    card = open_request(writer, "req_6")
    writer.write(RequestShown("req_6", "rev_1", card, Surface.RENDERED_PAGE))
    decide(writer, "req_6", card, Outcome.ANSWERED, {"decision": "reject"})
    writer.write(AgentRevoked("agt_1"))
    writer.write(LogExported(len(writer.entries)))
    open_request(writer, "req_7")
    writer.write(ServerStopped("srv_1"))
    writer.write(ServerStarted("0.1.0", "srv_2", clean=True))
    return writer.log()


def written(*parts: Callable[[Writer], object]) -> Log:
    """A log of these parts, after its beginning."""
    writer = Writer()
    for part in (begin, *parts):
        part(writer)
    return writer.log()


def leaves_of(log: Log) -> Callable[[int, int], bytes | None]:
    """The hashes stored beside a log's entries, as an export holds them: those of the leaves only."""
    tree = Tree(log.entries)
    return lambda level, index: tree.nodes.get((level, index)) if level == 0 else None


def nodes_of(entries: Sequence[bytes]) -> dict[tuple[int, int], bytes]:
    return Tree(entries).nodes
