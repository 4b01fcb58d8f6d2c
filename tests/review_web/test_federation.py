"""Who left for a provider comes back once, in time, from the same hands; anybody else finds nothing."""

from datetime import UTC, datetime, timedelta

import pytest

from review_web.federation import LIFETIME, Departure, Departures, Errand

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
LEFT = Departure(Errand.SIGN_IN, NOW, holder="uid:1000")


@pytest.fixture
def departures() -> Departures:
    departures = Departures()
    departures.add(LEFT)
    return departures


def test_who_left_comes_back_once(departures: Departures) -> None:
    assert departures.take(LEFT.state, LEFT.ticket, "uid:1000", NOW) == LEFT
    assert departures.take(LEFT.state, LEFT.ticket, "uid:1000", NOW) is None


def test_who_comes_back_too_late_comes_back_no_more(departures: Departures) -> None:
    assert departures.take(LEFT.state, LEFT.ticket, "uid:1000", NOW + LIFETIME) is None
    assert departures.take(LEFT.state, LEFT.ticket, "uid:1000", NOW) is None


@pytest.mark.parametrize(
    ("state", "ticket", "holder"),
    [
        (LEFT.state, "", "uid:1000"),
        (LEFT.state, LEFT.state, "uid:1000"),
        (LEFT.state, "\u00fc", "uid:1000"),
        (LEFT.state, LEFT.ticket, "uid:1001"),
        (LEFT.state, LEFT.ticket, None),
        (LEFT.ticket, LEFT.ticket, "uid:1000"),
        ("", "", None),
    ],
)
def test_a_stranger_neither_comes_back_for_somebody_nor_ends_their_way(
    departures: Departures, state: str, ticket: str, holder: str | None
) -> None:
    assert departures.take(state, ticket, holder, NOW) is None
    assert departures.take(LEFT.state, LEFT.ticket, "uid:1000", NOW) == LEFT


def test_each_who_leaves_is_told_by_values_of_their_own() -> None:
    values = [value for _ in range(20) for one in [Departure(Errand.LINK, NOW)] for value in secrets_of(one)]

    assert len(set(values)) == 80
    assert all(len(value) >= 43 for value in values)


def secrets_of(departure: Departure) -> tuple[str, ...]:
    return departure.ticket, departure.state, departure.nonce, departure.verifier


def test_none_of_them_stands_in_a_text_about_the_departure() -> None:
    joining = Departure(Errand.JOIN, NOW, invitation="inv_secret")

    assert not [value for value in (*secrets_of(joining), "inv_secret") if value in repr(joining)]


def test_so_many_may_be_away_and_who_left_first_makes_room(departures: Departures) -> None:
    for _ in range(4096):
        departures.add(Departure(Errand.SIGN_IN, NOW + timedelta(seconds=1)))

    assert departures.take(LEFT.state, LEFT.ticket, "uid:1000", NOW) is None
