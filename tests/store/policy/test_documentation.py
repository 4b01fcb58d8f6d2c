"""The rules in the documentation are rules, say nothing doubtful, and leave no key out."""

import re

import pytest

from store.policy.arguments import Op
from store.policy.call_fields import BUDGET_KEYS, CALL_KEYS
from store.policy.findings import Known, findings
from store.policy.reading import MOST_RULES, RULE_KEYS, TOP_KEYS, read
from store.policy.upstream_fields import UPSTREAM_KEYS
from store.policy.when import VARIABLES
from store.policy.yaml_nodes import LONGEST_TEXT, MOST_LINES
from tests.repository import ROOT

REVIEWERS = (ROOT / "docs" / "reviewers.md").read_text("utf-8")
POLICY = (ROOT / "docs" / "policy.md").read_text("utf-8")
EVERYBODY = Known(
    deciding=frozenset({"ana", "ben", "carl", "dora", "otto"}),
    others=frozenset(),
    with_passkey=frozenset({"ana", "ben"}),
    agents=frozenset({"deploy-bot", "scratch-1", "billing"}),
    workflows=frozenset({"payments"}),
)
UPSTREAMS = "version: 1\nupstreams:\n  payments: {command: x}\n  mail: {command: x}\n  deploy: {command: x}\nrules:\n"
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", POLICY, re.MULTILINE | re.DOTALL)


def keys_of(document: str, heading: str) -> set[str]:
    """What stands in code in the first column of the table under a heading."""
    section = document.partition(f"{heading}\n")[2].partition("\n#")[0]
    return {key for cell in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for key in re.findall(r"`(\w+)", cell)}


def test_the_example_can_be_activated_as_it_stands() -> None:
    (example,) = re.findall(r"^```yaml\n(version: .*?)^```", REVIEWERS, re.MULTILINE | re.DOTALL)
    assert findings(read(example), EVERYBODY) == []


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_every_example_of_the_reference_can_be_activated(example: str) -> None:
    text = example if example.startswith("version:") else UPSTREAMS + example
    assert findings(read(text), EVERYBODY) == []


def test_every_key_of_a_rule_for_questions_is_explained() -> None:
    assert keys_of(REVIEWERS, "## Rules: who may answer what") == set(RULE_KEYS) - set(CALL_KEYS)


def test_every_key_of_the_file_is_explained() -> None:
    assert keys_of(POLICY, "# The policy file") == set(TOP_KEYS)
    assert keys_of(POLICY, "## Rules") == set(RULE_KEYS)
    assert keys_of(POLICY, "### Arguments") == set(Op)
    assert keys_of(POLICY, "### Expressions") == set(VARIABLES)
    assert keys_of(POLICY, "### Budgets and rates") == set(BUDGET_KEYS)
    assert keys_of(POLICY, "## Upstreams") == set(UPSTREAM_KEYS)


def test_the_limits_of_a_file_are_as_written() -> None:
    written = f"{LONGEST_TEXT // 1024} KiB, {MOST_LINES:,} lines and {MOST_RULES:,} rules"
    for document in (REVIEWERS, POLICY):
        assert written in " ".join(document.split())
