"""Lines of the feed in words."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from review_web.watch_lines import arguments_in_short, item_row, line_row, rules_in_words, told_of
from store.calls.feed import Item, Let, Line, rounded, tally_of
from store.calls.recorded import Became
from store.held_back import HeldBack

AT = datetime(2026, 11, 22, 9, 0, 7, tzinfo=UTC)
ITEM = Item(
    id="call_a",
    agent_id="agent_1",
    agent="deploy-bot",
    workflow=None,
    tool="files__read_text",
    let=Let.ALLOWED,
    rules=("reads run freely",),
    at=AT,
    became=Became.RETURNED,
    milliseconds=12,
    result_bytes=2048,
    arguments='{"path":"/srv/a"}',
)


def line(*items: Item) -> Line:
    tally = tally_of(items[0])
    for item in items:
        tally.add(item, 1)
    return tally.told()


def words(*items: Item) -> tuple[str, str, str, str]:
    row = line_row(line(*items), HeldBack())
    return row.many, row.told.came, row.told.errors, row.told.took


@pytest.mark.parametrize(
    ("more", "came", "took"),
    [
        ({}, "returned", "12 ms, 2.0 KiB"),
        ({"milliseconds": 2100, "result_bytes": 0}, "returned", "2.1 seconds"),
        ({"is_error": True}, "returned an error", "12 ms, 2.0 KiB"),
        ({"became": Became.RUNNING, "milliseconds": None}, "running", ""),
        ({"became": Became.FAILED, "is_error": True, "result_bytes": None}, "failed", "12 ms"),
        ({"became": Became.RELEASED, "milliseconds": 0}, "let run by the client", ""),
        ({"became": Became.DENIED, "let": Let.DENIED, "milliseconds": None}, "", ""),
    ],
)
def test_a_single_call_says_what_came_of_it(more: dict[str, Any], came: str, took: str) -> None:
    told = told_of(replace(ITEM, **more))
    assert (told.came, told.took) == (came, took)


def test_every_way_that_a_call_can_end_has_its_words() -> None:
    for became in set(Became) - {Became.DENIED}:
        assert told_of(replace(ITEM, became=became)).came


def test_many_alike_are_counted_with_their_errors_and_how_long_they_took() -> None:
    assert words(ITEM) == ("1 call", "returned", "", "12 ms, 2.0 KiB")
    alike = [replace(ITEM, id=f"call_{n}", milliseconds=n) for n in range(1, 101)]
    assert words(*alike) == ("100 calls", "all returned", "", "median 50 ms, 100 ms at worst")
    mixed = [
        *alike[:90],
        *(replace(one, is_error=True) for one in alike[90:97]),
        replace(alike[97], became=Became.FAILED, is_error=True),
        *(replace(one, became=Became.RUNNING, milliseconds=None) for one in alike[98:]),
    ]
    assert words(*mixed)[:3] == ("100 calls", "90 returned, 2 running, 1 failed", "7 returned an error")
    assert words(*(replace(one, is_error=True) for one in alike))[1:3] == ("", "100 returned an error")


def test_of_denied_calls_no_more_is_said_than_is_known() -> None:
    denied = replace(ITEM, let=Let.DENIED, became=Became.DENIED, milliseconds=None, is_error=True)
    assert words(denied, replace(denied, id="call_b")) == ("at least 2 calls", "", "", "")


def test_a_line_leads_to_its_calls_and_a_call_to_its_page() -> None:
    row = line_row(line(ITEM), HeldBack())
    assert row.href == (
        "/watch/calls?agent=deploy-bot&tool=files__read_text&let=allowed"
        f"&minute=2026-11-22T09%3A00%3A00.000000Z&line={row.line.id}"
    )
    assert item_row(ITEM).href == "/watch/call_a"
    assert item_row(replace(ITEM, let=Let.HELD, id="req_a")).href == "/requests/req_a"


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("{}", ""),
        ("", ""),
        (
            '{"path":"/srv/a","deep":{"a":[1]},"n":3,"empty":""}',
            'path: /srv/a · deep: {"a": [1]} · n: 3 · empty: “”',
        ),
        ('{"text":"a\\nb"}', 'text: "a\\nb"'),
        ('{"a\\nb":1}', '"a\\nb": 1'),
        ('{"path":"' + "x" * 400, '{"path":"' + "x" * 151 + "…"),
        ('{"path":"' + "x" * 400 + '"}', "path: " + "x" * 154 + "…"),
    ],
)
def test_arguments_begin_in_one_line(text: str, short: str) -> None:
    assert arguments_in_short(text) == short


def test_where_no_rule_matched_the_reason_stands_instead() -> None:
    bare = replace(ITEM, rules=(), why="`path` must be a text " + "x" * 200)
    assert told_of(replace(bare, let=Let.DENIED)).rules == "`path` must be a text " + "x" * 98 + "…"
    assert told_of(replace(bare, let=Let.HELD, why="no rule matches")).rules == "no rule matches"
    assert told_of(replace(bare, let=Let.HELD, why=None)).rules == "no rule matched"
    assert told_of(replace(bare, rules=("never",), let=Let.DENIED)).rules == "rule “never”"


def test_rules_are_named_and_many_are_counted() -> None:
    assert rules_in_words(()) == "no rule matched"
    assert rules_in_words(("a",)) == "rule “a”"
    assert rules_in_words(("a", "b", "c", "d", "e")) == "rules “a”, “b”, “c” and 2 more"


SOME = {0: 0, 99: 99, 100: 100, 1234: 1200, 59_999: 59_000, 86_399_999: 86_000_000}


def test_durations_are_kept_in_so_few_steps_that_memory_stays_level() -> None:
    assert [rounded(number) for number in (0, 99, 100, 1234, 59_999, 86_399_999)] == [
        0,
        99,
        100,
        1200,
        59_000,
        86_000_000,
    ]
    assert len(Counter(rounded(number) for number in range(100_000))) < 400
