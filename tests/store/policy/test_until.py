"""The moment from which a rule matches nothing any more."""

from datetime import UTC, datetime, timedelta

import pytest

from store.policy.until import Until, until_of

NOON = datetime(2026, 12, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-12-31", datetime(2027, 1, 1, tzinfo=UTC)),
        ("2028-02-29", datetime(2028, 3, 1, tzinfo=UTC)),
        ("2026-12-31T12:00Z", NOON),
        ("2026-12-31T12:00:00Z", NOON),
        ("2026-12-31T13:00+01:00", NOON),
        ("2026-12-31T00:30-11:30", NOON),
        ("2026-12-31T12:00:05Z", NOON + timedelta(seconds=5)),
    ],
)
def test_a_text_says_from_when_on_a_rule_is_over(text: str, at: datetime) -> None:
    assert until_of(text) == Until(at, text)


def test_a_rule_is_over_from_that_very_moment_on() -> None:
    until = until_of("2026-12-31T12:00Z")
    assert not until.is_over(NOON - timedelta(microseconds=1))
    assert until.is_over(NOON)


def test_a_day_is_whole_and_a_time_is_not() -> None:
    assert until_of("2026-12-31").is_whole_day
    assert not until_of("2026-12-31T00:00Z").is_whole_day


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "31.12.2026",
        "2026-12",
        "2026-12-31T12:00",
        "2026-12-31 12:00Z",
        "20261231",
        "2026-W53-4",
        "2026-1-1",
    ],
)
def test_what_is_no_date_and_no_time_with_its_offset_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="until should be a date, or a time with its offset from UTC"):
        until_of(text)


@pytest.mark.parametrize(
    "text",
    [
        *("2026-02-29", "2026-13-01", "0000-01-01", "9999-12-31", "0001-01-01T00:00+10:00", "9999-12-31T23:59-01:00"),
        *("2026-12-31T24:01Z", "2026-12-31T12:60Z", "2026-12-31T12:00+24:00"),
    ],
)
def test_what_is_in_no_calendar_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"there is no {text.replace('+', '.')} in the calendar"):
        until_of(text)
