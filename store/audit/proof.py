"""A proof that one entry stands in a log: `c2sp.org/tlog-proof@v1` (SPEC.md, section 5). Pure.

A proof is self-contained: with the entry's bytes and a verifier key from elsewhere it is checked offline.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from store.audit.checkpoint import MAX_NOTE, MAX_SIZE, Checkpoint, base64_text, bytes_of_base64, open_note
from store.audit.merkle import HASH_BYTES, ProofProblem, leaf_hash, verify_inclusion

HEADER = "c2sp.org/tlog-proof@v1"
_MAX_HASHES = 63  # the depth of the largest tree that a checkpoint can name
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True)
class Proof:
    """Where an entry stands, the audit path from it, and the signed checkpoint that the path leads to."""

    index: int
    hashes: tuple[bytes, ...]
    note: str


def text(proof: Proof) -> str:
    """The proof as a text file."""
    lines = [HEADER, f"index {proof.index}", *map(base64_text, proof.hashes)]
    return "\n".join(lines) + f"\n\n{proof.note}"


def parse(proof: str) -> Proof:
    """The proof that `text` wrote. Says nothing about what it proves.

    Raises:
        ProofProblem: it is not exactly such a text.
    """
    if len(proof) > 2 * MAX_NOTE:
        raise ProofProblem("a proof is not that long")
    head, blank, note = proof.partition("\n\n")
    header, *lines = head.split("\n")
    if header != HEADER or not blank or not lines:
        raise ProofProblem(f"a proof begins with {HEADER}, its index and its hashes, then a blank line")
    match = _INDEX.fullmatch(lines[0])
    if match is None or int(match[1]) >= MAX_SIZE:
        raise ProofProblem("a proof's second line is its index, in decimal")
    if len(lines) - 1 > _MAX_HASHES:
        raise ProofProblem(f"a proof has at most {_MAX_HASHES} hashes")
    return Proof(int(match[1]), tuple(map(_hash, lines[1:])), note)


def open_proof(proof: str, entry: bytes, vkeys: Sequence[str]) -> tuple[int, Checkpoint]:
    """Where `entry` stands, and in which checkpoint, signed by a log that one of `vkeys` names.

    Raises:
        ProofProblem: it is malformed, or does not lead from this entry to the root.
        NoteProblem: its checkpoint is malformed, or not signed as it should be.
    """
    parsed = parse(proof)
    checkpoint = open_note(parsed.note, vkeys)
    verify_inclusion(leaf_hash(entry), parsed.index, checkpoint.size, parsed.hashes, checkpoint.root)
    return parsed.index, checkpoint


def _hash(line: str) -> bytes:
    data = bytes_of_base64(line)
    if data is None or len(data) != HASH_BYTES:
        raise ProofProblem(f"a proof's hash is {HASH_BYTES} bytes in base64")
    return data
