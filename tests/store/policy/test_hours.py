"""Times of the week, as clocks somewhere show them."""

from datetime import UTC, datetime

import pytest

from store.policy.hours import Hours, hours_of


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


MONDAY, FRIDAY, SATURDAY, SUNDAY = "2026-11-23", "2026-11-27", "2026-11-28", "2026-11-29"


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("08:00-18:00", Hours((0, 1, 2, 3, 4, 5, 6), 480, 1080, "UTC", "08:00-18:00")),
        ("mon-fri 08:30-24:00", Hours((0, 1, 2, 3, 4), 510, 1440, "UTC", "mon-fri 08:30-24:00")),
        ("sat,sun 00:00-24:00", Hours((5, 6), 0, 1440, "UTC", "sat,sun 00:00-24:00")),
        ("sat-mon,wed 22:00-06:00", Hours((0, 2, 5, 6), 1320, 360, "UTC", "sat-mon,wed 22:00-06:00")),
        (
            "tue 09:00-10:00 Europe/Berlin",
            Hours((1,), 540, 600, "Europe/Berlin", "tue 09:00-10:00 Europe/Berlin"),
        ),
    ],
)
def test_a_text_says_which_times_of_the_week_it_means(text: str, hours: Hours) -> None:
    assert hours_of(text) == hours


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "hours should look like"),
        ("weekdays", "hours should look like"),
        ("8-18", "hours should look like"),
        ("Mon-Fri 08:00-18:00", "hours should look like"),
        ("mon - fri 08:00-18:00", "hours should look like"),
        ("08:00-18:00 Europe/Berlin x", "hours should look like"),
        ("٠٨:00-18:00", "hours should look like"),
        ("08:60-18:00", "there is no 08:60 on a clock"),
        ("08:00-24:01", "there is no 24:01 on a clock"),
        ("25:00-26:00", "there is no 25:00 on a clock"),
        ("08:00-08:00", "hours should have a beginning and another end"),
        ("24:00-08:00", "hours should have a beginning and another end"),
        ("08:00-18:00 Europe/Berlinn", "there is no time zone 'Europe/Berlinn'"),
        ("08:00-18:00 Europe", "there is no time zone 'Europe'"),
        ("08:00-18:00 Europe/../../etc/passwd", "hours should look like"),
    ],
)
def test_any_other_text_is_refused_with_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        hours_of(text)


def test_the_first_minute_counts_and_the_last_does_not() -> None:
    office = hours_of("mon-fri 08:00-18:00")
    assert [office.include(at(f"{MONDAY} {clock}")) for clock in ("07:59:59", "08:00", "17:59:59", "18:00")] == [
        False,
        True,
        True,
        False,
    ]
    assert not office.include(at(f"{SATURDAY} 12:00"))


def test_a_night_belongs_to_the_day_on_which_it_begins() -> None:
    night = hours_of("fri 22:00-06:00")
    assert night.include(at(f"{FRIDAY} 22:00"))
    assert night.include(at(f"{SATURDAY} 05:59"))
    assert not night.include(at(f"{SATURDAY} 06:00"))
    assert not night.include(at(f"{FRIDAY} 05:00"))
    assert not night.include(at(f"{SATURDAY} 23:00"))


def test_a_day_may_go_on_to_its_end() -> None:
    weekend = hours_of("sat,sun 00:00-24:00")
    assert weekend.include(at(f"{SUNDAY} 23:59:59"))
    assert not weekend.include(at(f"{MONDAY} 00:00"))


def test_clocks_are_those_of_the_zone_in_summer_and_in_winter() -> None:
    office = hours_of("08:00-18:00 Europe/Berlin")
    assert [office.include(at(f"2026-01-15 {clock}")) for clock in ("06:59", "07:00")] == [False, True]
    assert [office.include(at(f"2026-07-15 {clock}")) for clock in ("05:59", "06:00")] == [False, True]
