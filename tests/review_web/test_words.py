from datetime import UTC, datetime, timedelta

import pytest

from review_web import words

NOW = datetime(2026, 11, 22, 14, 39, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "0 seconds"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "1 minute"),
        (2_470, "41 minutes"),
        (3_600, "1 hour"),
        (4_800, "1 hour 20 minutes"),
        (39_600, "11 hours"),
        (90_000, "1 day 1 hour"),
    ],
)
def test_a_length_of_time_is_said_in_its_largest_units(seconds: int, said: str) -> None:
    assert words.duration(timedelta(seconds=seconds)) == said


def test_what_happened_in_the_last_minute_happened_just_now() -> None:
    assert ">just now</time>" in words.ago(NOW - timedelta(seconds=59), NOW)


def test_the_past_is_relative_with_the_exact_time_on_hover() -> None:
    said = words.ago(NOW - timedelta(minutes=12), NOW)
    assert 'datetime="2026-11-22T14:27:30Z"' in said
    assert 'title="22 November 2026, 14:27:30 UTC"' in said
    assert ">12 minutes ago</time>" in said


def test_a_deadline_is_said_with_the_time_left_and_the_clock() -> None:
    said = words.left(NOW + timedelta(minutes=41), NOW)
    assert ">41 minutes</span>, until <time" in said
    assert ">15:20 UTC</time>" in said


def test_a_deadline_on_another_day_names_the_day() -> None:
    assert "Mon 23 Nov, 14:39 UTC" in words.left(NOW + timedelta(days=1), NOW)


def test_a_deadline_that_passed_leaves_no_time() -> None:
    assert words.left(NOW - timedelta(minutes=1), NOW).startswith("no time left")


def test_a_long_id_is_cut_to_its_end_and_a_short_one_is_not() -> None:
    assert words.short_id("req_0123456789abcdef") == "req_…89abcdef"
    assert words.short_id("req_12") == "req_12"
    assert words.short_id("plain") == "plain"


def test_the_time_that_is_left_is_said_alone_and_never_below_nothing() -> None:
    assert ">41 minutes</span>" in words.time_left(NOW + timedelta(minutes=41), NOW)
    assert ">no time</span>" in words.time_left(NOW - timedelta(minutes=1), NOW)


def test_a_moment_to_come_is_said_by_the_clock() -> None:
    assert words.at(NOW + timedelta(minutes=41), NOW).startswith("at <time")
    assert ">15:20 UTC</time>" in words.at(NOW + timedelta(minutes=41), NOW)


@pytest.mark.parametrize(("number", "said"), [(1, "1 vote"), (2, "2 votes"), (1200, "1,200 votes")])
def test_things_are_counted_in_words(number: int, said: str) -> None:
    assert words.count(number, "vote") == said
