import io
import json
import zipfile
from collections.abc import Mapping

import pytest

from store.audit.checkpoint import LogKey
from store.audit.export import (
    CHECKPOINT,
    DISCLOSURES,
    ENTRIES,
    LEAVES,
    MEMBERS,
    VKEY,
    ExportProblem,
    open_export,
    verify_export,
    write_export,
)
from store.audit.merkle import leaf_hash
from store.audit.verify import LogFault, Verified
from tests.store.audit.examples import KEY, story

LOG = story()


def export_of() -> bytes:
    file = io.BytesIO()
    write_export(
        file,
        LOG.note,
        KEY.verifier,
        entries=LOG.entries,
        leaves=map(leaf_hash, LOG.entries),
        disclosures=LOG.texts,
    )
    return file.getvalue()


EXPORT = export_of()


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(contents: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return file.getvalue()


def changed(name: str, data: bytes) -> bytes:
    return zipped({**members(EXPORT), name: data})


def verified(data: bytes, vkey: str = KEY.verifier) -> Verified:
    with open_export(io.BytesIO(data)) as export:
        return verify_export(export, [vkey])


def lines(name: str) -> list[bytes]:
    return members(EXPORT)[name].splitlines(keepends=True)


def test_an_export_reads_back_as_it_was_written() -> None:
    with open_export(io.BytesIO(EXPORT)) as export:
        assert export.note == LOG.note
        assert export.vkey == KEY.verifier
        assert list(export.entries()) == list(enumerate(LOG.entries))
        assert list(export.leaves()) == [leaf_hash(entry) for entry in LOG.entries]
        read = [(index, text.key, text.salt, text.text) for index, text in export.disclosures()]
        assert read == [(index, text.key, text.salt, text.text) for index, text in LOG.texts]


def test_an_export_verifies() -> None:
    assert verified(EXPORT) == LOG.verified()


def test_the_same_log_makes_the_same_file() -> None:
    assert export_of() == EXPORT


def test_each_line_of_the_entries_is_what_was_hashed() -> None:
    assert members(EXPORT)[ENTRIES] == b"".join(entry + b"\n" for entry in LOG.entries)
    assert json.loads(lines(ENTRIES)[0])["type"] == "server_started"


def test_the_key_inside_proves_nothing() -> None:
    stranger = LogKey(KEY.name, bytes(32))
    with pytest.raises(LogFault, match="not to be trusted"):
        verified(EXPORT, stranger.verifier)
    assert verified(changed(VKEY, f"{stranger.verifier}\n".encode())) == LOG.verified()


@pytest.mark.parametrize("index", range(len(LOG.entries)))
def test_a_changed_entry_is_named(index: int) -> None:
    entries = lines(ENTRIES)
    entries[index] = entries[index].replace(b"separate_user", b"remote")
    with pytest.raises(LogFault, match=f"entry {index} was changed") as fault:
        verified(changed(ENTRIES, b"".join(entries)))
    assert fault.value.index == index


def test_missing_added_swapped_and_repeated_entries_are_named() -> None:
    entries = lines(ENTRIES)
    for index, other in (
        (3, [*entries[:3], *entries[4:]]),
        (3, [*entries[:3], entries[0], *entries[3:]]),
        (3, [*entries[:3], entries[4], entries[3], *entries[5:]]),
        (4, [*entries[:4], *entries[3:]]),
        (len(entries) - 1, entries[:-1]),
        (len(entries), [*entries, entries[4]]),
    ):
        with pytest.raises(LogFault) as fault:
            verified(changed(ENTRIES, b"".join(other)))
        assert fault.value.index == index


def test_the_stored_hashes_are_one_an_entry() -> None:
    leaves = lines(LEAVES)
    with pytest.raises(LogFault, match=rf"entry {len(leaves) - 1} has no line in leaves\.txt"):
        verified(changed(LEAVES, b"".join(leaves[:-1])))
    with pytest.raises(LogFault, match="more lines than there are entries"):
        verified(changed(LEAVES, b"".join([*leaves, leaves[0]])))
    with pytest.raises(LogFault, match="stored for entry 0 is not"):
        verified(changed(LEAVES, b"".join([leaves[1], *leaves[1:]])))


@pytest.mark.parametrize("line", [b"", b"00", b"zz" * 32, b"AB" * 32, b"00" * 33, b"\xff" * 64])
def test_a_hash_is_written_in_one_way(line: bytes) -> None:
    with pytest.raises(ExportProblem):
        verified(changed(LEAVES, line + b"\n" + b"".join(lines(LEAVES)[1:])))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"entry":1,"key":"username_ref","salt":"","text":"ana","more":1}',
        b'{"entry":1,"key":"username_ref","salt":"0G","text":"ana"}',
        b'{"entry":1.0,"key":"username_ref","salt":"00","text":"ana"}',
        b'{"entry":true,"key":"username_ref","salt":"00","text":"ana"}',
        b'{"entry":1,"key":"username_ref","salt":"AB","text":"ana"}',
        b'{"entry":1,"key":"username_ref","salt":"00","text":"\\u0061"}',
        b'{"entry":1, "key":"username_ref","salt":"00","text":"a"}',
        b'{"entry":1,"entry":1,"key":"username_ref","salt":"00","text":"a"}',
        b'{"entry":1,"key":"username_ref","salt":"00","text":"\\ud800"}',
        b'{"entry":1,"key":"username_ref","salt":"00","text":1}',
        b"[" * 100_000,
    ],
    ids=lambda line: repr(line[:60]),
)
def test_a_disclosure_is_written_in_one_way(line: bytes) -> None:
    with pytest.raises((ExportProblem, LogFault)):
        verified(changed(DISCLOSURES, line + b"\n" + b"".join(lines(DISCLOSURES)[1:])))


def test_a_missing_disclosure_is_named() -> None:
    with pytest.raises(LogFault, match="no entry says that it was erased") as fault:
        verified(changed(DISCLOSURES, b"".join(lines(DISCLOSURES)[1:])))
    assert fault.value.index == LOG.texts[0][0]


def test_a_last_line_without_its_break_is_refused() -> None:
    for name in (ENTRIES, LEAVES, DISCLOSURES):
        with pytest.raises(ExportProblem, match="does not end"):
            verified(changed(name, members(EXPORT)[name][:-1]))


def test_a_line_of_any_length_is_not_read_into_memory() -> None:
    with pytest.raises(ExportProblem, match="too long"):
        verified(changed(ENTRIES, b"x" * 200_000 + b"\n"))


def test_other_files_than_the_six_are_refused() -> None:
    contents = members(EXPORT)
    for other in ({**contents, "more.txt": b""}, {n: d for n, d in contents.items() if n != CHECKPOINT}):
        with pytest.raises(ExportProblem, match="holds exactly"):
            verified(zipped(other))
    assert set(contents) == set(MEMBERS)


def test_what_is_not_a_zip_is_refused() -> None:
    for data in (b"", b"not a zip", EXPORT[: len(EXPORT) // 2]):
        with pytest.raises(ExportProblem, match="not an export, or was damaged"):
            verified(data)


def test_a_damaged_archive_is_refused() -> None:
    start = EXPORT.index(b"entries.jsonl") + 200
    damaged = bytearray(EXPORT)
    damaged[start] ^= 0xFF
    with pytest.raises((ExportProblem, LogFault)):
        verified(bytes(damaged))


def test_a_checkpoint_that_is_not_text_is_refused() -> None:
    with pytest.raises(ExportProblem, match="checkpoint is not text"):
        verified(changed(CHECKPOINT, b"\xff"))
