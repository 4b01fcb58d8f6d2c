"""A log in which somebody does what their standing does not allow cannot have happened."""

from datetime import timedelta

import pytest

from store.audit.events import (
    AccountAdded,
    AccountDisabled,
    AccountEnabled,
    AccountReset,
    AgentOwnerChanged,
    AgentRevoked,
    Concealed,
    Event,
    IdentityLinked,
    IdentityUnlinked,
    InvitationMade,
    InvitationUsed,
    InvitationWithdrawn,
    RequestShown,
    ReviewerSignedIn,
    RoleChanged,
    SessionEnded,
)
from store.audit.verify import LogFault
from store.lifecycle import Surface
from tests.store.audit.examples import START, Log, Writer, open_request, written

LATER = START + timedelta(hours=1)
ADD = AccountAdded("rev_3", "reviewer", Concealed("cleo"), Concealed("Cleo"))


def invite(role: str = "reviewer", reviewer: str | None = None, by: str | None = "rev_1") -> InvitationMade:
    return InvitationMade("inv_1", Concealed("cleo"), role, LATER, reviewer, by)


def link(reviewer: str) -> IdentityLinked:
    return IdentityLinked(reviewer, "idn_1", Concealed("https://login.example.org"), Concealed("1"))


def log_of(*events: Event) -> Log:
    return written(*(lambda writer, event=event: writer.write(event) for event in events))


@pytest.mark.parametrize(
    "events",
    [
        (RoleChanged("rev_2", "admin", "rev_1"), RoleChanged("rev_1", "reviewer", "rev_2")),
        (ADD, AccountDisabled("rev_3", None), AccountEnabled("rev_3", "rev_1"), ReviewerSignedIn("rev_3", "s", "p")),
        (AccountReset("rev_1", None), SessionEnded("rev_2", "ses_2", "rev_1")),
        (invite(), ADD, InvitationUsed("inv_1", "rev_3")),
        (AccountReset("rev_2", "rev_1"), invite("auditor", "rev_2"), InvitationUsed("inv_1", "rev_2")),
        (invite(), InvitationWithdrawn("inv_1", "rev_1"), invite(by=None)),
        (AgentOwnerChanged("agt_1", Concealed("ana"), "rev_1"), AgentRevoked("agt_1", "rev_1")),
        (link("rev_1"), IdentityUnlinked("rev_1", "idn_1"), link("rev_2")),
    ],
)
def test_what_admins_and_the_command_line_do_can_have_happened(events: tuple[Event, ...]) -> None:
    log_of(*events).verified()


@pytest.mark.parametrize(
    ("events", "what"),
    [
        ((RoleChanged("rev_1", "auditor", None),), "it leaves no admin"),
        ((AccountDisabled("rev_1", "rev_1"),), "it leaves no admin"),
        ((RoleChanged("rev_9", "admin", None),), "no entry before it adds the account rev_9"),
        ((RoleChanged("rev_2", "admin", "rev_2"),), "rev_2 is no admin"),
        ((AccountReset("rev_1", "rev_9"),), "rev_9 is no admin"),
        ((SessionEnded("rev_1", "ses_1", "rev_2"),), "rev_2 is no admin"),
        ((AgentRevoked("agt_1", "rev_2"),), "rev_2 is no admin"),
        ((link("rev_9"),), "no entry before it adds the account rev_9"),
        ((link("rev_1"), link("rev_2")), "the identity idn_1 was linked before"),
        ((link("rev_1"), IdentityUnlinked("rev_2", "idn_1")), "idn_1 does not belong to rev_2"),
        ((IdentityUnlinked("rev_1", "idn_1"),), "idn_1 does not belong to rev_1"),
        ((AgentOwnerChanged("agt_1", None, "rev_2"),), "rev_2 is no admin"),
        ((AgentOwnerChanged("agt_9", None, None),), "no entry before it adds the agent agt_9"),
        ((AccountDisabled("rev_2", None), AccountDisabled("rev_2", None)), "was disabled before"),
        ((AccountEnabled("rev_2", None),), "was not disabled"),
        ((AccountDisabled("rev_2", None), ReviewerSignedIn("rev_2", "ses_2", "password")), "is disabled, and signs in"),
        ((invite(by="rev_2"),), "rev_2 is no admin"),
        ((invite(), invite()), "was made before"),
        ((InvitationUsed("inv_1", "rev_1"),), "inv_1 is not open"),
        ((invite(), ADD, InvitationUsed("inv_1", "rev_3"), InvitationUsed("inv_1", "rev_3")), "inv_1 is not open"),
        ((invite(), InvitationWithdrawn("inv_1", None), ADD, InvitationUsed("inv_1", "rev_3")), "inv_1 is not open"),
        ((InvitationWithdrawn("inv_1", None),), "inv_1 is not open"),
        ((invite("admin"), ADD, InvitationUsed("inv_1", "rev_3")), "inv_1 is for a admin"),
        ((invite(reviewer="rev_2"), InvitationUsed("inv_1", "rev_1")), "inv_1 is for rev_2"),
    ],
)
def test_what_standing_does_not_allow_is_refused(events: tuple[Event, ...], what: str) -> None:
    log = log_of(*events)
    with pytest.raises(LogFault, match=what) as fault:
        log.verified()
    assert fault.value.index == len(log.entries) - 1
    log_of(*events[:-1]).verified()


def test_an_invitation_is_used_before_its_end() -> None:
    log = log_of(invite(), ADD, InvitationUsed("inv_1", "rev_3"))
    index = log.index("invitation_used")
    with pytest.raises(LogFault, match="used after its end"):
        log.changed(index, at="2026-11-22T15:30:00.000000Z").verified()


@pytest.mark.parametrize(
    ("events", "what"),
    [
        ((ADD, AccountDisabled("rev_3", None)), "rev_3 is disabled, and decides nothing"),
        ((ADD, RoleChanged("rev_3", "auditor", None)), "rev_3 is an auditor, who decides nothing"),
    ],
)
def test_who_may_not_decide_is_shown_no_card(events: tuple[Event, ...], what: str) -> None:
    def shown(*before: Event) -> Log:
        def part(writer: Writer) -> None:
            card = open_request(writer, "req_1")
            for event in before:
                writer.write(event)
            writer.write(RequestShown("req_1", "rev_3", card, Surface.RENDERED_PAGE))

        return written(part)

    with pytest.raises(LogFault, match=what):
        shown(*events).verified()
    shown(*events[:-1]).verified()
