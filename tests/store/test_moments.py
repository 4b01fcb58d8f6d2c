from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.moments import from_text, to_text


def test_a_moment_is_utc_text_with_six_decimals() -> None:
    noon = datetime(2026, 11, 22, 12, 0, tzinfo=timezone(timedelta(hours=2)))
    assert to_text(noon) == "2026-11-22T10:00:00.000000Z"


def test_a_moment_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        to_text(datetime(2026, 11, 22))  # noqa: DTZ001 - that is the point


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_text_keeps_the_moment_and_sorts_as_time_does(one: datetime, other: datetime) -> None:
    assert from_text(to_text(one)) == one
    assert (to_text(one) < to_text(other)) == (one < other)
