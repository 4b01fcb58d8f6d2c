"""What the log says of rules must make sense: admins put them in force, and they are those that it names."""

import pytest

from store.audit.events import Concealed, PolicyActivated
from store.audit.verify import LogFault
from store.policy.reading import sha256_of
from tests.store.audit.examples import Log, Writer, open_request, written

RULES = "version: 1"
SHA256 = sha256_of(RULES)


def activated(reviewer: str | None = "rev_1", *, rules: str = RULES, asked_by: str | None = SHA256) -> Log:
    """A log in which rules come into force, and then a request is made by these."""

    def part(writer: Writer) -> None:
        writer.write(PolicyActivated(SHA256, Concealed(rules), "page", reviewer))
        open_request(writer, "req_1", policy_sha256=asked_by)

    return written(part)


@pytest.mark.parametrize("reviewer", ["rev_1", None])
def test_an_admin_or_the_command_line_puts_rules_in_force(reviewer: str | None) -> None:
    assert activated(reviewer).verified().open_requests == 1


@pytest.mark.parametrize(
    ("log", "kind", "fault"),
    [
        (activated("rev_2"), "policy_activated", "rev_2 is no admin"),
        (activated("rev_9"), "policy_activated", "rev_9"),
        (activated(rules="version: 1 "), "policy_activated", "its rules are not those that it names"),
        (activated(asked_by=None), "request_opened", "not made by the rules in force"),
        (activated(asked_by=sha256_of("others")), "request_opened", "not made by the rules in force"),
    ],
)
def test_a_log_that_says_otherwise_is_refused(log: Log, kind: str, fault: str) -> None:
    with pytest.raises(LogFault, match=fault) as caught:
        log.verified()
    assert caught.value.index == log.index(kind)
