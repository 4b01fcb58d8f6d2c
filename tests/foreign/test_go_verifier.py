"""A verifier that we did not write reads our checkpoints and proofs: Go's x/mod, the library of its checksum database.

Where Go can be found or installed it runs here. What it produced once is committed, so that elsewhere our bytes are
still compared with its own. Make that anew: python -m tests.foreign.test_go_verifier FOLDER_FOR_THE_BUILD
"""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from store.audit.canonical import encode
from store.audit.checkpoint import Checkpoint, LogKey, open_note, parse_verifier
from store.audit.merkle import consistency_proof, inclusion_proof, root, verify_consistency, verify_inclusion
from store.audit.merkle import leaf_hash as leaf
from store.audit.proof import Proof, text
from tests.repository import ROOT
from tests.store.audit.growing import Tree

HERE = ROOT / "tests" / "foreign"
RECORDED = HERE / "produced_by_go.json"
KEY = LogKey("log.example/assent", bytes(range(32)))
ENTRIES = [encode({"n": n, "text": "“ä”\n"}) for n in range(13)]
TREE = Tree(ENTRIES)
SIZES = range(1, len(ENTRIES) + 1)
ROOTS = [root(Tree(ENTRIES[:size]).frontier) for size in range(len(ENTRIES) + 1)]
NOTE = KEY.sign(Checkpoint(KEY.name, len(ENTRIES), ROOTS[-1]))


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def ours() -> dict[str, Any]:
    """What our code makes of the entries, in the form in which the Go program prints what it makes of them."""
    return {
        "vkey": KEY.verifier,
        "entries": [entry.decode() for entry in ENTRIES],
        "note": NOTE,
        "paths": [list(map(encoded, inclusion_proof(i, len(ENTRIES), TREE.node))) for i in range(len(ENTRIES))],
        "roots": [encoded(one) for one in ROOTS[1:]],
        "consistencies": [
            {"old": old, "new": new, "hashes": list(map(encoded, consistency_proof(old, new, TREE.node)))}
            for new in SIZES
            for old in range(1, new + 1)
        ],
    }


def to_accept() -> dict[str, Any]:
    """The same as the Go program is asked to accept it: proofs as whole texts."""
    proofs = [
        text(Proof(index, tuple(inclusion_proof(index, len(ENTRIES), TREE.node)), NOTE))
        for index in range(len(ENTRIES))
    ]
    return {**ours(), "proofs": proofs, "roots": [encoded(one) for one in ROOTS]}


class GoVerifier:
    """The program, built once."""

    def __init__(self, go: str, folder: Path) -> None:
        self._program = folder / "verifier"
        environment = {
            **os.environ,
            "GOPATH": "/usr/share/gocode",
            "GO111MODULE": "off",
            "GOFLAGS": "",
            "GOCACHE": str(folder / "cache"),
        }
        subprocess.run([go, "build", "-o", self._program, HERE / "main.go"], check=True, env=environment)

    def run(self, command: str, data: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        return subprocess.run([self._program, command], input=json.dumps(data), capture_output=True, text=True)

    def produce(self) -> str:
        """What it makes of the same entries with the same key."""
        key_id = parse_verifier(KEY.verifier).key_id.hex()
        secret = encoded(b"\x01" + KEY.seed)
        skey = f"PRIVATE+KEY+{KEY.name}+{key_id}+{secret}"
        done = self.run("produce", {"skey": skey, "vkey": KEY.verifier, "entries": ours()["entries"]})
        assert done.returncode == 0, done.stderr
        return done.stdout


def find_go() -> str | None:
    found = subprocess.run(["sh", ROOT / "scripts" / "go-tlog"], stdout=subprocess.PIPE, text=True)
    return found.stdout.strip() if found.returncode == 0 else None


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> GoVerifier:
    go = find_go()
    if go is None:
        pytest.skip("there is no Go here, and none could be installed: only what it recorded was compared")
    return GoVerifier(go, tmp_path_factory.mktemp("go"))


def test_recorded_go_and_we_make_the_same_of_the_same_entries() -> None:
    assert json.loads(RECORDED.read_text("utf-8")) == ours()


def test_recorded_go_is_accepted_by_us() -> None:
    recorded = json.loads(RECORDED.read_text("utf-8"))
    checkpoint = open_note(recorded["note"], [recorded["vkey"]])
    assert checkpoint == Checkpoint(KEY.name, len(ENTRIES), ROOTS[-1])
    for index, path in enumerate(recorded["paths"]):
        proof = [base64.b64decode(one) for one in path]
        verify_inclusion(leaf(ENTRIES[index]), index, checkpoint.size, proof, checkpoint.root)
    roots = [b"", *(base64.b64decode(one) for one in recorded["roots"])]
    for one in recorded["consistencies"]:
        proof = [base64.b64decode(step) for step in one["hashes"]]
        verify_consistency(one["old"], roots[one["old"]], one["new"], roots[one["new"]], proof)


@pytest.mark.timeout(900)
def test_running_go_accepts_our_checkpoint_and_all_our_proofs(verifier: GoVerifier) -> None:
    done = verifier.run("accept", to_accept())
    assert (done.stdout, done.stderr, done.returncode) == ("accepted\n", "", 0)


@pytest.mark.timeout(900)
def test_running_go_produces_what_is_recorded(verifier: GoVerifier) -> None:
    assert verifier.produce() == RECORDED.read_text("utf-8")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", ["vkey", "note", "entries", "proofs", "consistencies"])
def test_running_go_refuses_what_was_changed(verifier: GoVerifier, part: str) -> None:
    stranger = LogKey(KEY.name, bytes(32))
    good = to_accept()
    changed: dict[str, Any] = {
        "vkey": stranger.verifier,
        "note": KEY.sign(Checkpoint(KEY.name, len(ENTRIES), ROOTS[1])),
        "entries": [good["entries"][1], *good["entries"][1:]],
        "proofs": [good["proofs"][1], *good["proofs"][1:]],
        "consistencies": [{"old": 3, "new": 13, "hashes": [encoded(ROOTS[1])]}],
    }
    done = verifier.run("accept", {**good, part: changed[part]})
    assert done.stdout == ""
    assert done.returncode == 1


if __name__ == "__main__":
    go_here, folder = find_go(), Path(sys.argv[1])
    assert go_here is not None
    RECORDED.write_text(GoVerifier(go_here, folder).produce(), "utf-8")
