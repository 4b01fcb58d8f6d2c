import base64

import pytest

from store.audit.checkpoint import Checkpoint, LogKey, NoteProblem
from store.audit.merkle import ProofProblem, inclusion_proof, root
from store.audit.proof import HEADER, Proof, open_proof, parse, text
from tests.store.audit.growing import Tree

KEY = LogKey("log.example/assent", bytes(range(32)))
ENTRIES = [b'{"n":%d}' % n for n in range(7)]
TREE = Tree(ENTRIES)
CHECKPOINT = Checkpoint(KEY.name, 7, root(TREE.frontier))
NOTE = KEY.sign(CHECKPOINT)


def proof_of(index: int) -> str:
    return text(Proof(index, tuple(inclusion_proof(index, 7, TREE.node)), NOTE))


@pytest.mark.parametrize("index", range(7))
def test_every_entry_is_proved_where_it_stands(index: int) -> None:
    assert open_proof(proof_of(index), ENTRIES[index], [KEY.verifier]) == (index, CHECKPOINT)
    assert text(parse(proof_of(index))) == proof_of(index)


def test_a_log_of_one_needs_no_hashes() -> None:
    alone = Checkpoint(KEY.name, 1, root(Tree(ENTRIES[:1]).frontier))
    proof = text(Proof(0, (), KEY.sign(alone)))
    assert proof.startswith(f"{HEADER}\nindex 0\n\n{KEY.name}\n1\n")
    assert open_proof(proof, ENTRIES[0], [KEY.verifier]) == (0, alone)


@pytest.mark.parametrize("index", [0, 3, 6])
def test_every_flipped_bit_of_a_proof_is_refused(index: int) -> None:
    data = proof_of(index).encode()
    for bit in range(len(data) * 8):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            proof = changed.decode()
        except UnicodeDecodeError:
            continue
        with pytest.raises((ProofProblem, NoteProblem)):
            open_proof(proof, ENTRIES[index], [KEY.verifier])


def test_every_missing_or_added_character_of_a_proof_is_refused() -> None:
    proof = proof_of(3)
    for i in range(len(proof) + 1):
        for changed in (proof[:i], proof[:i] + proof[i + 1 :], *(proof[:i] + c + proof[i:] for c in "\n 0A=\r")):
            if changed == proof:
                continue
            with pytest.raises((ProofProblem, NoteProblem)):
                open_proof(changed, ENTRIES[3], [KEY.verifier])


def test_a_proof_proves_no_other_entry() -> None:
    for other in range(7):
        if other != 3:
            with pytest.raises(ProofProblem, match="does not lead from entry 3"):
                open_proof(proof_of(3), ENTRIES[other], [KEY.verifier])


def test_a_proof_under_a_foreign_key_is_refused() -> None:
    with pytest.raises(NoteProblem, match="not signed by a key that is trusted"):
        open_proof(proof_of(3), ENTRIES[3], [LogKey(KEY.name, bytes(32)).verifier])


def test_unused_bits_of_base64_count() -> None:
    first = base64.b64encode(inclusion_proof(3, 7, TREE.node)[0]).decode()
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = first[:42] + digits[digits.index(first[42]) ^ 1] + "="
    assert base64.b64decode(other) == base64.b64decode(first)
    with pytest.raises(ProofProblem, match="in base64"):
        parse(proof_of(3).replace(first, other))


@pytest.mark.parametrize(
    "head",
    [
        "c2sp.org/tlog-proof@v2\nindex 3",
        HEADER,
        f"{HEADER}\nindex 03",
        f"{HEADER}\nindex -1",
        f"{HEADER}\nindex 9223372036854775807",
        f"{HEADER}\nextra AAAA\nindex 3",
        f"{HEADER}\nindex 3\nAAAA",
        f"{HEADER}\nindex 3" + f"\n{'A' * 43}=" * 64,
    ],
)
def test_what_is_not_exactly_a_proof_is_refused(head: str) -> None:
    with pytest.raises(ProofProblem):
        parse(f"{head}\n\n{NOTE}")
