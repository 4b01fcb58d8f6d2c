"""The specification's examples are true, and its tables complete."""

import base64
import json
import re
from pathlib import Path

from store.audit.canonical import MAX_BYTES, MAX_DEPTH, decode, encode
from store.audit.checkpoint import Checkpoint, LogKey, open_note
from store.audit.entry import Disclosure, commitment
from store.audit.events import FORMAT, Assurance
from store.audit.export import MEMBERS
from store.audit.keys import open_log_key
from store.audit.merkle import consistency_proof, inclusion_proof, leaf_hash, root
from store.audit.proof import HEADER, Proof, open_proof, text
from store.audit.shape import SHAPES
from store.audit.verify import verify
from tests.repository import ROOT
from tests.store.audit.growing import Tree

SPEC = (ROOT / "store" / "audit" / "SPEC.md").read_text("utf-8")
COMMON = {"format", "type", "at", "assurance"}


def example(name: str) -> str:
    """An example's lines, as they stand between the fences."""
    match = re.search(rf"^```example {name}\n(.*?)^```$", SPEC, re.MULTILINE | re.DOTALL)
    assert match is not None
    return match[1]


def values(name: str) -> dict[str, str]:
    """An example of names and values, which two or more blanks part."""
    return dict(re.split(r" {2,}", line, maxsplit=1) for line in example(name).splitlines())


def section(number: int) -> str:
    match = re.search(rf"^## {number}\. .*?(?=^## |\Z)", SPEC, re.MULTILINE | re.DOTALL)
    assert match is not None
    return match[0]


def table(number: int) -> list[list[str]]:
    """The rows of the table in a section, without its head."""
    rows = [line for line in section(number).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[1:]]


KEY = LogKey(values("key")["name"], bytes.fromhex(values("key")["seed"]))
ENTRIES = [line.encode() for line in example("entries").splitlines()]
TREE = Tree(ENTRIES)
CHECKPOINT = Checkpoint(KEY.name, 3, root(TREE.frontier))


def test_the_key_is_as_it_says(tmp_path: Path) -> None:
    path = tmp_path / "log.key"
    path.write_text(values("key")["key file"] + "\n")
    path.chmod(0o600)
    assert open_log_key(path, make=False) == KEY
    assert values("key") == {
        "name": KEY.name,
        "seed": KEY.seed.hex(),
        "key file": f"assent-log-key-1 {KEY.name} {base64.b64encode(KEY.seed).decode()}",
        "verifier key": KEY.verifier,
    }


def test_the_text_has_the_reference_that_stands_in_its_entry() -> None:
    given = values("text")
    assert commitment(bytes.fromhex(given["salt"]), given["text"]) == given["reference"]
    assert decode(ENTRIES[1])["name_ref"] == given["reference"]


def test_the_entries_are_canonical() -> None:
    assert [encode(json.loads(entry)) for entry in ENTRIES] == ENTRIES


def test_the_tree_has_these_hashes() -> None:
    assert values("tree") == {
        **{f"leaf {index}": leaf_hash(entry).hex() for index, entry in enumerate(ENTRIES)},
        "node 1 0": TREE.nodes[1, 0].hex(),
        "root": CHECKPOINT.root.hex(),
    }


def test_the_checkpoint_is_signed_with_the_key() -> None:
    assert example("checkpoint") == KEY.sign(CHECKPOINT)
    assert open_note(example("checkpoint"), [values("key")["verifier key"]]) == CHECKPOINT


def test_the_proof_proves_the_second_entry() -> None:
    assert example("proof") == text(Proof(1, tuple(inclusion_proof(1, 3, TREE.node)), example("checkpoint")))
    assert open_proof(example("proof"), ENTRIES[1], [KEY.verifier]) == (1, CHECKPOINT)


def test_the_consistency_proof_is_as_it_says() -> None:
    hashes = consistency_proof(1, 3, TREE.node)
    assert values("consistency") == {"1 to 3": " ".join(base64.b64encode(one).decode() for one in hashes)}


def test_the_whole_example_verifies() -> None:
    given = values("text")
    texts = [(1, Disclosure("name_ref", "", bytes.fromhex(given["salt"]), given["text"]))]
    verified = verify(enumerate(ENTRIES), example("checkpoint"), [KEY.verifier], disclosures=texts)
    assert verified.checkpoint == CHECKPOINT


def test_every_entry_type_is_listed_with_exactly_its_keys() -> None:
    listed = {kind: set(re.findall(r"`(\w+)`(\??)", keys)) for kind, keys, _ in table(9)}
    assert listed == {
        f"`{kind}`": {(key, "" if key in shape.required else "?") for key in shape.forms if key not in COMMON}
        for kind, shape in SHAPES.items()
    }


def test_the_keys_that_every_entry_has_are_listed() -> None:
    assert {row[0] for row in table(2)} == {f"`{key}`" for key in COMMON}
    assert all(f"`{one.value}`" in section(2) for one in Assurance)
    assert FORMAT in section(2)


def test_the_members_of_an_export_are_listed() -> None:
    assert [row[0] for row in table(6)] == [f"`{name}`" for name in MEMBERS]


def test_the_limits_are_as_they_say() -> None:
    assert f"at most {MAX_BYTES:,} bytes" in section(2)
    assert f"{MAX_DEPTH} deep" in section(2)
    assert HEADER in section(5)
