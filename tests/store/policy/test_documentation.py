"""The rules in the documentation are rules, and say nothing doubtful."""

import re

from store.policy.findings import Known, findings
from store.policy.reading import RULE_KEYS, read
from tests.repository import ROOT

DOCUMENT = (ROOT / "docs" / "reviewers.md").read_text("utf-8")
EVERYBODY = Known(
    deciding=frozenset({"ana", "ben", "carl", "dora", "otto"}),
    others=frozenset(),
    with_passkey=frozenset({"ana"}),
    agents=frozenset({"deploy-bot", "scratch-1"}),
    workflows=frozenset({"payments"}),
)


def test_the_example_can_be_activated_as_it_stands() -> None:
    (example,) = re.findall(r"^```yaml\n(version: .*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert findings(read(example), EVERYBODY) == []


def test_every_key_of_a_rule_is_explained() -> None:
    section = DOCUMENT.partition("## Rules")[2].partition("\n## ")[0]
    named = {key for cell in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for key in re.findall(r"`(\w+)", cell)}
    assert named == set(RULE_KEYS)
