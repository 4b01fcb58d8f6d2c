import base64
import hashlib
from dataclasses import replace

import pytest

from store.audit.checkpoint import (
    Checkpoint,
    LogKey,
    NoteProblem,
    Verifier,
    open_note,
    parse_text,
    parse_verifier,
    text,
)
from store.audit.merkle import EMPTY_ROOT

KEY = LogKey("log.example/assent", bytes(range(32)))
OTHER = LogKey("log.example/other", bytes(range(32)))
CHECKPOINT = Checkpoint("log.example/assent", 41, hashlib.sha256(b"root").digest())
NOTE = KEY.sign(CHECKPOINT)


def signature_line(key: LogKey, checkpoint: Checkpoint = CHECKPOINT) -> str:
    """A signature as a key of another name would write it, under a log's checkpoint."""
    renamed = LogKey(checkpoint.origin, key.seed).sign(checkpoint)
    blob = base64.b64decode(renamed.rsplit(" ", 1)[1])
    key_id = parse_verifier(key.verifier).key_id
    return f"— {key.name} {base64.b64encode(key_id + blob[4:]).decode()}\n"


def test_what_was_signed_opens() -> None:
    assert open_note(NOTE, [KEY.verifier]) == CHECKPOINT
    assert open_note(NOTE, [OTHER.verifier, KEY.verifier]) == CHECKPOINT


def test_a_log_without_entries_has_a_checkpoint_too() -> None:
    empty = Checkpoint(KEY.name, 0, EMPTY_ROOT)
    assert open_note(KEY.sign(empty), [KEY.verifier]) == empty


def test_every_flipped_bit_of_a_note_is_refused() -> None:
    data = NOTE.encode()
    for bit in range(len(data) * 8):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            note = changed.decode()
        except UnicodeDecodeError:
            continue
        with pytest.raises(NoteProblem):
            open_note(note, [KEY.verifier])


def test_every_missing_or_added_character_of_a_note_is_refused() -> None:
    for i in range(len(NOTE) + 1):
        for changed in (NOTE[:i], NOTE[:i] + NOTE[i + 1 :], *(NOTE[:i] + c + NOTE[i:] for c in "\n 0A+=\r—")):
            if changed == NOTE:
                continue
            with pytest.raises(NoteProblem):
                open_note(changed, [KEY.verifier])


def test_every_flipped_bit_of_a_verifier_key_is_refused_or_names_another_key() -> None:
    for bit in range(len(KEY.verifier) * 8):
        changed = bytearray(KEY.verifier.encode())
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises((NoteProblem, UnicodeDecodeError)):
            open_note(NOTE, [changed.decode()])


def test_a_foreign_key_is_refused() -> None:
    stranger = LogKey(KEY.name, bytes(32))
    with pytest.raises(NoteProblem, match="not signed by a key that is trusted"):
        open_note(NOTE, [stranger.verifier])
    with pytest.raises(NoteProblem, match="not signed by a key that is trusted"):
        open_note(NOTE, [])


def test_a_key_with_a_forged_id_is_refused_by_its_signature() -> None:
    stranger = LogKey(KEY.name, bytes(32)).sign(CHECKPOINT)
    forged = base64.b64decode(stranger.rsplit(" ", 1)[1])
    line = base64.b64encode(parse_verifier(KEY.verifier).key_id + forged[4:]).decode()
    with pytest.raises(NoteProblem, match="does not match the checkpoint"):
        open_note(f"{text(CHECKPOINT)}\n— {KEY.name} {line}\n", [KEY.verifier])


def test_a_key_does_not_sign_for_another_log() -> None:
    with pytest.raises(ValueError, match="does not sign for"):
        KEY.sign(replace(CHECKPOINT, origin=OTHER.name))


def test_another_logs_good_signature_under_this_logs_name_is_refused() -> None:
    with pytest.raises(NoteProblem, match="not signed by a key that is trusted for it"):
        open_note(f"{text(CHECKPOINT)}\n{signature_line(OTHER)}", [OTHER.verifier])


def test_a_witness_may_sign_below() -> None:
    witnessed = NOTE + signature_line(OTHER)
    assert open_note(witnessed, [KEY.verifier]) == CHECKPOINT
    assert open_note(witnessed, [KEY.verifier, OTHER.verifier]) == CHECKPOINT
    witness = Checkpoint(CHECKPOINT.origin, 42, CHECKPOINT.root)
    with pytest.raises(NoteProblem, match="does not match"):
        open_note(NOTE + signature_line(OTHER, witness), [KEY.verifier, OTHER.verifier])


def test_one_key_signs_once() -> None:
    line = NOTE.rpartition("\n\n")[2]
    with pytest.raises(NoteProblem, match="signed twice"):
        open_note(NOTE + line, [KEY.verifier])


@pytest.mark.parametrize("signature", ["", "AA==", "AAAAAA==", "AAAA", "AAAAAAA", "AAAAAB=="])
def test_a_malformed_signature_is_refused_even_of_an_unknown_key(signature: str) -> None:
    with pytest.raises(NoteProblem, match="a signature line reads"):
        open_note(f"{NOTE}— someone {signature}\n", [KEY.verifier])


def test_a_short_signature_of_a_known_key_is_refused() -> None:
    short = base64.b64encode(parse_verifier(KEY.verifier).key_id + bytes(63)).decode()
    with pytest.raises(NoteProblem, match="has not 64 bytes"):
        open_note(f"{text(CHECKPOINT)}\n— {KEY.name} {short}\n", [KEY.verifier])


@pytest.mark.parametrize(
    "body",
    [
        "",
        "log\n",
        "log\n1\n",
        text(CHECKPOINT) + "extension\n",
        text(CHECKPOINT).replace("41", "041"),
        text(CHECKPOINT).replace("41", "+41"),
        text(CHECKPOINT).replace("41", "-41"),
        text(CHECKPOINT).replace("41", "4_1"),
        text(CHECKPOINT).replace("41", "٤١"),
        text(CHECKPOINT).replace("41", str(2**63)),
        text(CHECKPOINT).replace("41", "0"),
        text(CHECKPOINT).replace("=", ""),
        "log\n1\nAAAA\n",
        text(CHECKPOINT).replace("log.example/assent", "log example"),
        text(CHECKPOINT).replace("log.example/assent", "log+example"),
        text(CHECKPOINT).replace("log.example/assent", ""),
        text(CHECKPOINT).replace("\n", "\r\n"),
    ],
    ids=repr,
)
def test_a_body_that_is_not_exactly_one_is_refused(body: str) -> None:
    with pytest.raises(NoteProblem):
        parse_text(body)


def test_a_body_reads_back() -> None:
    assert parse_text(text(CHECKPOINT)) == CHECKPOINT


def test_a_verifier_key_reads_back() -> None:
    verifier = parse_verifier(KEY.verifier)
    assert verifier.text == KEY.verifier
    assert verifier.name == KEY.name
    assert verifier.key_id == hashlib.sha256(b"log.example/assent\n\x01" + verifier.public).digest()[:4]


def test_one_secret_under_two_names_has_two_ids() -> None:
    assert parse_verifier(KEY.verifier).key_id != parse_verifier(OTHER.verifier).key_id


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "log",
        "log+00000000",
        "log+00000000+",
        KEY.verifier + " ",
        KEY.verifier.upper(),
        f"x{KEY.verifier}",
        "log+00000000+" + base64.b64encode(b"\x02" + bytes(32)).decode(),
        Verifier("log", bytes(31)).text,
    ],
)
def test_a_malformed_verifier_key_is_refused(vkey: str) -> None:
    with pytest.raises(NoteProblem):
        parse_verifier(vkey)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "ä", "x" * 201])
def test_a_name_that_cannot_stand_in_a_note_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="a log's name"):
        LogKey.generate(name)


def test_two_generated_keys_differ_and_neither_is_printed() -> None:
    one, other = LogKey.generate("log"), LogKey.generate("log")
    assert one.seed != other.seed
    assert repr(one) == "LogKey(name='log')"


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_seed_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        LogKey("log", bytes(length))
