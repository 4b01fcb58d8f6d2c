"""What differs between two texts of strangers, within bounded time."""

import pytest

from review_web.compared import Line, compared_lines


def same(text: str, *, gap: bool = False) -> Line:
    return Line("same", text, gap)


def test_what_differs_stands_with_a_few_lines_around_it() -> None:
    old = [str(number) for number in range(20)]
    new = [*old[:10], "ten", *old[11:]]

    around = [same(text) for text in ("7", "8", "9")], [same(text) for text in ("11", "12", "13")]
    assert compared_lines(old, new) == (*around[0], Line("before", "10"), Line("now", "ten"), *around[1])


def test_lines_that_stand_in_both_many_times_are_still_found_in_their_places() -> None:
    rule = ["- name: a", "  action: hold", ""]
    old = rule * 60
    new = [*old[:90], "# a word", *old[90:]]

    assert [line for line in compared_lines(old, new) if line.side != "same"] == [Line("now", "# a word")]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["a"] * 2_000, ["a", "a", "a", "x"] * 500),
        ([str(n * 7919 % 5) for n in range(2_000)], [str(n * 104_729 % 7) for n in range(2_000)]),
    ],
)
def test_lines_of_strangers_that_match_everywhere_are_compared_in_bounded_time(old: list[str], new: list[str]) -> None:
    # Where this is not bounded, it takes more than a minute, and the test's own time runs out.
    lines = compared_lines(old, new)

    assert [line.text for line in lines if line.side != "before"] == new
    assert [line.text for line in lines if line.side != "now"] == old
