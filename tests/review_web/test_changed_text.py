"""Two texts as a diff of which nothing is left out, within bounded time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from review_web.changed_text import ChangedLine, added_lines, changed_lines


def test_lines_that_stay_stand_once_and_all_of_them_stand() -> None:
    many = "".join(f"{number}\n" for number in range(40))
    lines = changed_lines(f"{many}old\n", f"{many}new\n")
    assert lines == (
        *(ChangedLine("same", str(number)) for number in range(40)),
        ChangedLine("before", "old"),
        ChangedLine("now", "new"),
    )


@given(st.text(alphabet="ab \t\r\n\u2028", max_size=30), st.text(alphabet="ab \t\r\n\u2028", max_size=30))
def test_each_text_can_be_read_off_its_diff(before: str, now: str) -> None:
    lines = changed_lines(before, now)
    for text, other in ((before, "now"), (now, "before")):
        assert [line.text for line in lines if line.side != other] == text.removesuffix("\n").split("\n") or not text


def test_what_eyes_would_miss_is_said_in_words() -> None:
    assert changed_lines("    x\n", "\tx \n") == (
        ChangedLine("before", "    x"),
        ChangedLine("now", "\tx ", "blanks at its end, only blanks differ"),
    )
    assert changed_lines("x\n", "x") == (
        ChangedLine("before", "x"),
        ChangedLine("now", "x", "no line end after it, only blanks differ"),
    )


def test_nothing_is_said_of_pieces_that_both_end_within_a_line() -> None:
    assert changed_lines("x", "y") == (ChangedLine("before", "x"), ChangedLine("now", "y"))


def test_a_text_that_is_put_where_nothing_was_is_added_and_an_empty_one_has_no_lines() -> None:
    assert changed_lines("", "a\n\nb") == tuple(ChangedLine("now", text) for text in ("a", "", "b"))
    assert added_lines("a\n") == (ChangedLine("now", "a"),)
    assert added_lines("") == changed_lines("", "") == ()


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("a\n" * 2_000, "a\na\na\nx\n" * 500),
        ("".join(f"{n * 7919 % 5}\n" for n in range(2_000)), "".join(f"{n * 104_729 % 7}\n" for n in range(2_000))),
        ("a\n" * 100_000, "b\n" * 100_000),
    ],
)
def test_texts_of_strangers_are_compared_in_bounded_time(before: str, now: str) -> None:
    # Where this is not bounded, it takes more than a minute, and the test's own time runs out.
    lines = changed_lines(before, now)
    assert "".join(f"{line.text}\n" for line in lines if line.side != "before") == now


@pytest.mark.parametrize("other", ["\u2028", "\r", "\u00a0", "\v", "\x85"])
def test_what_may_end_a_line_or_be_a_letter_is_no_blank(other: str) -> None:
    lines = changed_lines("# stop() at the end", f"#{other}stop() at the end")
    assert [line.note for line in lines] == ["", ""]
