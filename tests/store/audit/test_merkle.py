import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.audit.merkle import (
    EMPTY_ROOT,
    Frontier,
    ProofProblem,
    consistency_proof,
    frontier_nodes,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
    verify_consistency,
    verify_inclusion,
)
from tests.store.audit import reference
from tests.store.audit.growing import Tree

LEAVES = [reference.leaf(str(i).encode()) for i in range(131)]
TREES = [Tree(str(i).encode() for i in range(size)) for size in range(len(LEAVES) + 1)]
ROOTS = [reference.tree_hash(LEAVES[:size]) for size in range(len(LEAVES) + 1)]

# The test vectors of the certificate transparency project for RFC 6962: eight leaves and the roots of their trees.
VECTOR_LEAVES = [
    bytes.fromhex(text)
    for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
VECTOR_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize("size", range(9))
def test_the_published_vectors_come_out(size: int) -> None:
    assert root(Tree(VECTOR_LEAVES[:size]).frontier).hex() == VECTOR_ROOTS[size]


def test_leaves_and_inner_nodes_are_hashed_apart() -> None:
    left, right = LEAVES[:2]
    assert leaf_hash(left + right) != node_hash(left, right)
    assert leaf_hash(b"0") == LEAVES[0]


@pytest.mark.parametrize("size", range(len(LEAVES) + 1))
def test_every_root_is_the_one_of_the_definition(size: int) -> None:
    tree = TREES[size]
    assert root(tree.frontier) == ROOTS[size]
    assert tree.frontier == Frontier(size, tuple(tree.nodes[at] for at in frontier_nodes(size)))


def test_the_stored_nodes_are_exactly_the_complete_subtrees() -> None:
    tree = TREES[131]
    assert tree.nodes == {
        (level, index): reference.tree_hash(LEAVES[index << level : (index + 1) << level])
        for level in range(8)
        for index in range(131 >> level)
    }


@pytest.mark.parametrize("size", range(1, len(LEAVES) + 1))
def test_every_inclusion_proof_is_the_one_of_the_definition_and_verifies(size: int) -> None:
    for index in range(size):
        proof = inclusion_proof(index, size, TREES[131].node)  # the nodes of a larger tree serve a smaller one
        assert proof == reference.path(index, LEAVES[:size])
        verify_inclusion(LEAVES[index], index, size, proof, ROOTS[size])


@pytest.mark.parametrize("new", range(len(LEAVES) + 1))
def test_every_consistency_proof_is_the_one_of_the_definition_and_verifies(new: int) -> None:
    for old in range(new + 1):
        proof = consistency_proof(old, new, TREES[131].node)
        assert proof == (reference.proof(old, LEAVES[:new]) if old else [])
        verify_consistency(old, ROOTS[old], new, ROOTS[new], proof)


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=400), st.data())
def test_random_trees_agree_with_the_definition(entries: list[bytes], data: st.DataObject) -> None:
    size = len(entries)
    tree, leaves = Tree(entries), [leaf_hash(entry) for entry in entries]
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    assert root(tree.frontier) == reference.tree_hash(leaves)
    assert inclusion_proof(index, size, tree.node) == reference.path(index, leaves)
    assert consistency_proof(old, size, tree.node) == reference.proof(old, leaves)


@given(st.integers(1, 2**48), st.data())
def test_a_proof_reads_a_logarithm_of_nodes_however_large_the_tree(size: int, data: st.DataObject) -> None:
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    reads: list[tuple[int, int]] = []

    def node(level: int, index: int) -> bytes:
        assert (index + 1) << level <= size, "a subtree that is not complete was asked for"
        reads.append((level, index))
        return LEAVES[0]

    inclusion_proof(index, size, node)
    assert len(reads) == len(set(reads)) <= 2 * size.bit_length()
    reads.clear()
    consistency_proof(old, size, node)
    assert len(reads) == len(set(reads)) <= 2 * size.bit_length()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 13])
def test_an_inclusion_proof_with_any_bit_flipped_is_refused(size: int) -> None:
    for index in range(size):
        leaf, proof = LEAVES[index], reference.path(index, LEAVES[:size])
        for bit in range(256):
            with pytest.raises(ProofProblem):
                verify_inclusion(flipped(leaf, bit), index, size, proof, ROOTS[size])
            with pytest.raises(ProofProblem):
                verify_inclusion(leaf, index, size, proof, flipped(ROOTS[size], bit))
            for i, step in enumerate(proof):
                with pytest.raises(ProofProblem):
                    verify_inclusion(leaf, index, size, [*proof[:i], flipped(step, bit), *proof[i + 1 :]], ROOTS[size])


@pytest.mark.parametrize("size", range(1, 20))
def test_an_inclusion_proof_proves_no_other_place_and_no_other_length(size: int) -> None:
    for index in range(size):
        proof = reference.path(index, LEAVES[:size])
        wrong: list[tuple[int, int, list[bytes]]] = [
            *((other, size, proof) for other in range(-1, size + 2) if other != index),
            (index, size, [*proof, LEAVES[0]]),
            (index, size, [*proof, b""]),
            *((index, size, [*proof[:i], *proof[i + 1 :]]) for i in range(len(proof))),
            *((index, size, [*proof[:i], proof[i][:-1], *proof[i + 1 :]]) for i in range(len(proof))),
        ]
        for at, claimed, changed in wrong:
            with pytest.raises(ProofProblem):
                verify_inclusion(LEAVES[index], at, claimed, changed, ROOTS[size])


@pytest.mark.parametrize(("old", "new"), [(1, 2), (2, 3), (3, 7), (4, 7), (6, 8), (7, 8), (8, 13), (12, 13)])
def test_a_consistency_proof_with_any_bit_flipped_is_refused(old: int, new: int) -> None:
    proof = reference.proof(old, LEAVES[:new])
    for bit in range(256):
        with pytest.raises(ProofProblem):
            verify_consistency(old, flipped(ROOTS[old], bit), new, ROOTS[new], proof)
        with pytest.raises(ProofProblem):
            verify_consistency(old, ROOTS[old], new, flipped(ROOTS[new], bit), proof)
        for i, step in enumerate(proof):
            with pytest.raises(ProofProblem):
                verify_consistency(old, ROOTS[old], new, ROOTS[new], [*proof[:i], flipped(step, bit), *proof[i + 1 :]])


@pytest.mark.parametrize(("old", "new"), list(itertools.combinations_with_replacement(range(10), 2)))
def test_a_consistency_proof_of_another_length_is_refused(old: int, new: int) -> None:
    proof = consistency_proof(old, new, TREES[131].node)
    for changed in ([*proof, LEAVES[0]], [*proof, b""], *([*proof[:i], *proof[i + 1 :]] for i in range(len(proof)))):
        with pytest.raises(ProofProblem):
            verify_consistency(old, ROOTS[old], new, ROOTS[new], changed)


def test_a_rewritten_tree_is_not_consistent_with_what_it_was() -> None:
    rewritten = Tree([b"0", b"changed", *(str(i).encode() for i in range(2, 9))])
    for new in (3, 9):
        proof = consistency_proof(3, new, rewritten.node)
        other = root(Tree([b"0", b"changed", *(str(i).encode() for i in range(2, new))]).frontier)
        with pytest.raises(ProofProblem):
            verify_consistency(3, ROOTS[3], new, other, proof)


def test_the_empty_tree_has_one_root_only() -> None:
    assert ROOTS[0] == EMPTY_ROOT
    verify_consistency(0, EMPTY_ROOT, 5, ROOTS[5], [])
    with pytest.raises(ProofProblem, match="another root"):
        verify_consistency(0, ROOTS[1], 5, ROOTS[5], [])
    with pytest.raises(ProofProblem, match="another root"):
        verify_consistency(0, ROOTS[1], 0, ROOTS[1], [])


def test_a_tree_does_not_shrink() -> None:
    with pytest.raises(ProofProblem, match="not the beginning"):
        verify_consistency(5, ROOTS[5], 4, ROOTS[4], [])
    with pytest.raises(ValueError, match="not the beginning"):
        consistency_proof(5, 4, TREES[131].node)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 3)])
def test_there_is_no_proof_of_a_leaf_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="has no leaf"):
        inclusion_proof(index, size, TREES[131].node)


@pytest.mark.parametrize(("size", "subtrees"), [(0, 1), (1, 0), (3, 1), (4, 2), (-1, 0)])
def test_a_frontier_that_does_not_fit_its_size_cannot_be_made(size: int, subtrees: int) -> None:
    with pytest.raises(ValueError, match="subtrees along its edge"):
        Frontier(size, (LEAVES[0],) * subtrees)
