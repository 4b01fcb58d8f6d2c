"""Everything that can be done to a log is noticed, and named by the first bad entry."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from store.audit.canonical import decode, encode
from store.audit.checkpoint import Checkpoint, LogKey
from store.audit.entry import Disclosure
from store.audit.events import Reference, ServerStarted, TextErased
from store.audit.merkle import EMPTY_ROOT, root
from store.audit.verify import LogFault, Verified, verify
from tests.store.audit.examples import KEY, Log, Writer, leaves_of, nodes_of, story, written
from tests.store.audit.growing import Tree

LOG = story()
SIZE = len(LOG.entries)


def with_entries(*entries: bytes) -> Log:
    return replace(LOG, entries=entries)


def rewritten(index: int = 9) -> Log:
    """A log of the same length in which one entry says something else, and that its key signed."""
    return LOG.changed(index, call="call_9").changed(index + 1, call="call_9")


def test_a_log_in_order_verifies() -> None:
    assert LOG.verified() == Verified(
        checkpoint=Checkpoint(KEY.name, SIZE, root(Tree(LOG.entries).frontier)),
        kept=(),
        disclosed=len(LOG.texts),
        erased=0,
        open_requests=1,
    )


def test_an_empty_log_verifies() -> None:
    note = KEY.sign(Checkpoint(KEY.name, 0, EMPTY_ROOT))
    assert verify([], note, [KEY.verifier], disclosures=[]) == Verified(
        Checkpoint(KEY.name, 0, EMPTY_ROOT), (), 0, 0, 0
    )


def test_every_checkpoint_it_ever_had_is_one_that_it_continues() -> None:
    kept = [LOG.note_at(size) for size in range(SIZE, -1, -1)]
    assert LOG.verified(against=kept).kept == tuple(range(SIZE + 1))


@pytest.mark.parametrize("index", range(SIZE))
def test_a_flipped_byte_is_named_by_its_entry(index: int) -> None:
    data = LOG.entries[index]
    for at in range(0, len(data), 7):
        changed = bytearray(data)
        changed[at] ^= 1
        tampered = with_entries(*LOG.entries[:index], bytes(changed), *LOG.entries[index + 1 :])
        with pytest.raises(LogFault) as fault:
            tampered.verified(LOG.note, stored=leaves_of(LOG))
        assert fault.value.index == index
        with pytest.raises(LogFault):
            tampered.verified(LOG.note)


def test_a_changed_entry_is_named_even_if_only_a_later_one_makes_no_sense() -> None:
    index = LOG.index("account_added")
    tampered = LOG.changed(index, reviewer="rev_9")
    with pytest.raises(LogFault, match=f"entry {index} was changed") as fault:
        tampered.verified(LOG.note, stored=leaves_of(LOG))
    assert fault.value.index == index


@pytest.mark.parametrize("index", range(SIZE))
def test_a_missing_entry_is_named(index: int) -> None:
    left = [(i, data) for i, data in enumerate(LOG.entries) if i != index]
    with pytest.raises(LogFault, match=f"entry {index} is missing") as fault:
        verify(left, LOG.note, [KEY.verifier])
    assert fault.value.index == index


@pytest.mark.parametrize("index", range(SIZE))
def test_an_entry_taken_out_and_the_rest_moved_up_is_noticed(index: int) -> None:
    moved = with_entries(*LOG.entries[:index], *LOG.entries[index + 1 :])
    with pytest.raises(LogFault) as fault:
        verify(enumerate(moved.entries), LOG.note, [KEY.verifier], stored=leaves_of(LOG))
    assert fault.value.index == index


@pytest.mark.parametrize("index", [0, 5, SIZE - 1, SIZE])
def test_an_added_entry_is_named(index: int) -> None:
    added = encode({**decode(LOG.entries[4]), "agent": "agt_1"})
    more = (*LOG.entries[:index], added, *LOG.entries[index:])
    with pytest.raises(LogFault) as fault:
        verify(enumerate(more), LOG.note, [KEY.verifier], stored=leaves_of(LOG))
    assert fault.value.index == index


@pytest.mark.parametrize("index", [1, 5, SIZE - 2])
def test_swapped_entries_are_named(index: int) -> None:
    numbered = list(enumerate(LOG.entries))
    numbered[index], numbered[index + 1] = numbered[index + 1], numbered[index]
    with pytest.raises(LogFault, match=f"entry {index} is missing"):
        verify(numbered, LOG.note, [KEY.verifier])
    with pytest.raises(LogFault, match=f"entry {index} was changed"):
        verify(enumerate(data for _, data in numbered), LOG.note, [KEY.verifier], stored=leaves_of(LOG))


def test_a_repeated_entry_is_named() -> None:
    numbered = list(enumerate(LOG.entries))
    with pytest.raises(LogFault, match="where entry 4 should stand, entry 3 stands again") as fault:
        verify([*numbered[:4], *numbered[3:]], LOG.note, [KEY.verifier])
    assert fault.value.index == 4


@pytest.mark.parametrize("size", [0, 1, SIZE - 1])
def test_a_cut_tail_under_the_newest_checkpoint_is_named(size: int) -> None:
    with pytest.raises(LogFault, match=f"entry {size} is missing: the checkpoint covers {SIZE}") as fault:
        verify(enumerate(LOG.entries[:size]), LOG.note, [KEY.verifier])
    assert fault.value.index == size


def test_a_cut_tail_under_an_older_checkpoint_is_seen_against_a_kept_one() -> None:
    size = SIZE - 1
    entries = list(enumerate(LOG.entries[:size]))
    verify(entries, LOG.note_at(size), [KEY.verifier])
    with pytest.raises(LogFault, match=f"the log was cut: a kept checkpoint covers {SIZE} entries") as fault:
        verify(entries, LOG.note_at(size), [KEY.verifier], against=[LOG.note])
    assert fault.value.index == size


def test_a_rewrite_of_the_same_length_is_seen_against_a_kept_checkpoint() -> None:
    other = rewritten()
    other.verified()
    with pytest.raises(LogFault, match=f"two checkpoints of {SIZE} entries have different roots"):
        other.verified(against=[LOG.note])
    assert other.entries != LOG.entries
    assert len(other.entries) == SIZE


def test_a_rewrite_before_a_kept_checkpoint_is_narrowed_down_to_what_lies_between_two() -> None:
    other = rewritten(9)
    other.verified(against=[LOG.note_at(9)])
    with pytest.raises(LogFault, match="one from entry 9 to 11 differs"):
        other.verified(against=[LOG.note_at(12), LOG.note_at(9), LOG.note_at(20)])


def test_a_change_that_nothing_else_shows_is_narrowed_down_by_a_kept_checkpoint() -> None:
    tampered = rewritten(9)
    with pytest.raises(LogFault, match="one from entry 8 on was changed"):
        tampered.verified(LOG.note, against=[LOG.note_at(8)])


def test_a_stored_hash_that_is_not_the_entrys_is_named_as_such() -> None:
    for level, index in ((0, 3), (1, 2), (3, 0)):
        nodes = {**nodes_of(LOG.entries), (level, index): bytes(32)}
        with pytest.raises(LogFault, match=f"stored for entry {index << level} is not: proofs made of it") as fault:
            LOG.verified(stored=lambda level, index, nodes=nodes: nodes[level, index])
        assert fault.value.index == index << level


def test_a_foreign_key_is_refused() -> None:
    with pytest.raises(LogFault, match="the log's checkpoint is not to be trusted"):
        LOG.verified(vkeys=[LogKey(KEY.name, bytes(32)).verifier])


def test_a_log_signed_anew_with_another_key_is_refused() -> None:
    stranger = LogKey(KEY.name, bytes(32))
    note = stranger.sign(Checkpoint(KEY.name, SIZE, root(Tree(LOG.entries).frontier)))
    with pytest.raises(LogFault, match="not to be trusted"):
        LOG.verified(note)


def test_another_logs_checkpoint_is_refused() -> None:
    other = LogKey("log.example/other", bytes(range(32)))
    note = other.sign(Checkpoint(other.name, 3, bytes(32)))
    with pytest.raises(LogFault, match="the kept checkpoint is not to be trusted"):
        LOG.verified(against=[note])
    with pytest.raises(LogFault, match=r"the kept checkpoint is of another log: log\.example/other"):
        LOG.verified(against=[note], vkeys=[KEY.verifier, other.verifier])
    with pytest.raises(LogFault, match="the log's checkpoint is not to be trusted"):
        LOG.verified(note)


@pytest.mark.parametrize(
    ("members", "what"),
    [
        ({"type": "wish_granted"}, "its type 'wish_granted' is not known"),
        ({"extra": "x"}, "an entry agent_signed_in has no field 'extra'"),
        ({"via": None}, "its field via is missing"),
        ({"via": 1}, "its field via has not the form"),
        ({"format": "assent/entry/v2"}, "its field format has not the form"),
        ({"assurance": "total"}, "its field assurance has not the form"),
        ({"at": "2026-11-22T14:30:04.000Z"}, "its field at has not the form"),
        ({"at": "2026-11-22T14:30:04.000000+00:00"}, "its field at has not the form"),
        ({"at": "٢٠٢٦-11-22T14:30:04.000000Z"}, "its field at has not the form"),
    ],
)
def test_an_entry_that_no_type_of_ours_makes_is_refused_though_it_is_signed(
    members: dict[str, object], what: str
) -> None:
    with pytest.raises(LogFault, match=f"entry 4 is not an entry: {what}") as fault:
        LOG.changed(4, **members).verified()
    assert fault.value.index == 4


def test_a_missing_text_is_a_fault() -> None:
    for gone in range(len(LOG.texts)):
        index = LOG.texts[gone][0]
        with pytest.raises(LogFault, match=r"no entry says that it was erased|cannot be") as fault:
            LOG.verified(disclosures=[*LOG.texts[:gone], *LOG.texts[gone + 1 :]])
        assert fault.value.index == index


def test_the_first_of_several_missing_texts_is_named() -> None:
    with pytest.raises(LogFault) as fault:
        LOG.verified(disclosures=LOG.texts[2:])
    assert fault.value.index == LOG.texts[0][0]


def test_a_text_whose_erasure_is_in_the_log_may_be_missing() -> None:
    log = written(lambda w: w.write(TextErased(w.entries[1].references["username"])))
    assert log.texts[0][1].key == "username_ref"
    verified = log.verified(disclosures=log.texts[1:])
    assert (verified.disclosed, verified.erased) == (len(log.texts) - 1, 1)


def test_an_erasure_of_what_is_still_there_is_a_fault() -> None:
    log = written(lambda w: w.write(TextErased(w.entries[1].references["username"])))
    with pytest.raises(LogFault, match="erases a text that is disclosed") as fault:
        log.verified()
    assert fault.value.index == len(log.entries) - 1


def test_an_erasure_of_what_never_was_is_a_fault() -> None:
    log = written(lambda w: w.write(TextErased(Reference("00" * 32))))
    with pytest.raises(LogFault, match="was erased before or never was"):
        log.verified()


def test_a_text_is_erased_once() -> None:
    def erase(writer: Writer) -> None:
        writer.write(TextErased(writer.entries[1].references["username"]))

    log = written(erase, erase)
    with pytest.raises(LogFault, match="was erased before") as fault:
        log.verified(disclosures=log.texts[1:])
    assert fault.value.index == len(log.entries) - 1


@pytest.mark.parametrize(
    "change",
    [{"text": "other"}, {"salt": bytes(32)}, {"salt": b"short"}, {"text": "\ud800"}, {"key": "display_name_ref"}],
    ids=str,
)
def test_a_text_that_is_not_the_concealed_one_is_a_fault(change: dict[str, object]) -> None:
    index, text = LOG.texts[0]
    other = Disclosure(**{**vars(text), **change})
    with pytest.raises(LogFault) as fault:
        LOG.verified(disclosures=[(index, other), *LOG.texts[1:]])
    assert fault.value.index == index


@pytest.mark.parametrize("at", [0, 7, SIZE, SIZE + 5])
def test_a_text_that_no_entry_conceals_is_a_fault(at: int) -> None:
    extra = (at, replace(LOG.texts[0][1], key="card_ref"))
    texts = sorted([*LOG.texts, extra], key=lambda one: one[0])
    with pytest.raises(LogFault, match="a text is disclosed for entry") as fault:
        LOG.verified(disclosures=texts)
    assert fault.value.index == at


def test_a_text_disclosed_twice_or_out_of_order_is_a_fault() -> None:
    with pytest.raises(LogFault, match="that it does not conceal"):
        LOG.verified(disclosures=[LOG.texts[0], *LOG.texts])
    with pytest.raises(LogFault, match="that it does not conceal"):
        LOG.verified(disclosures=[*LOG.texts[2:4], *LOG.texts[:2], *LOG.texts[4:]])


def test_entries_alone_verify_without_their_texts() -> None:
    assert LOG.verified(disclosures=None).disclosed == 0


def test_entries_are_read_once_and_progress_is_told() -> None:
    writer = Writer()
    for instance in range(10_001):
        writer.write(ServerStarted("0.1.0", f"srv_{instance}", clean=False))
    log = writer.log()
    told: list[int] = []

    def once() -> Iterator[tuple[int, bytes]]:
        yield from enumerate(log.entries)

    verify(once(), log.note, [KEY.verifier], progress=told.append)
    assert told == [10_000]
