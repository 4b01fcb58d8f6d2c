import pytest

from store.lifecycle import (
    DECISIONS,
    OPEN_STATES,
    TRANSITIONS,
    Event,
    ImpossibleTransition,
    Outcome,
    State,
    Transition,
    diagram,
    transition,
)


def test_nothing_leaves_closed() -> None:
    assert not [old for old, _ in TRANSITIONS if old is State.CLOSED]


@pytest.mark.parametrize("event", [Event.DECIDE, Event.VOTE])
def test_only_a_shown_request_can_be_decided_or_voted_on(event: Event) -> None:
    assert [old for old, on in TRANSITIONS if on is event] == [State.SHOWN]


def test_a_vote_leaves_the_request_open() -> None:
    assert TRANSITIONS[State.SHOWN, Event.VOTE] == Transition(State.SHOWN)


@pytest.mark.parametrize("event", [Event.EXPIRE, Event.WITHDRAW, Event.SHOW])
def test_every_open_state_can_expire_be_withdrawn_and_be_shown(event: Event) -> None:
    assert {old for old, on in TRANSITIONS if on is event} == OPEN_STATES


def test_deciding_ends_in_an_answer_a_refusal_or_a_question_back() -> None:
    assert TRANSITIONS[State.SHOWN, Event.DECIDE].outcomes == DECISIONS


@pytest.mark.parametrize("event", list(Event))
def test_all_rows_of_an_event_lead_to_the_same_place(event: Event) -> None:
    assert len({(move.state, move.outcomes) for (_, on), move in TRANSITIONS.items() if on is event}) == 1


@pytest.mark.parametrize(
    ("event", "outcome"),
    [
        (Event.EXPIRE, Outcome.ANSWERED),
        (Event.WITHDRAW, Outcome.EXPIRED),
        (Event.DECIDE, Outcome.EXPIRED),
        (Event.DECIDE, None),
        (Event.SHOW, Outcome.ANSWERED),
        (Event.VOTE, Outcome.ANSWERED),
        (Event.EDIT, Outcome.ANSWERED),
    ],
)
def test_an_outcome_that_an_event_cannot_bring_about_is_refused(event: Event, outcome: Outcome | None) -> None:
    with pytest.raises(ImpossibleTransition):
        transition(event, outcome)


def test_another_card_has_to_be_shown_before_anybody_decides_on_it() -> None:
    assert transition(Event.EDIT) == (frozenset({State.SHOWN}), Transition(State.PENDING))
    assert State.PENDING not in transition(Event.DECIDE, Outcome.ANSWERED)[0]


def test_the_diagram_draws_every_row_of_the_table() -> None:
    lines = diagram().splitlines()
    assert sum("-->" in line and ":" in line for line in lines) == len(TRANSITIONS)
    assert "    shown --> closed: decide (answered, declined, returned)" in lines
