"""Names by pattern: what matches, what could, and what surely covers what."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.policy.globs import Name, Names, can_begin, compiled, covers

letters = st.text("ab*?", max_size=6)
names = st.text("ab", max_size=6)


@pytest.mark.parametrize(
    ("glob", "name"),
    [
        ("files__read", "files__read"),
        ("files__*", "files__x"),
        ("*", ""),
        ("*__drop", "a__drop"),
        ("f?les*", "files__x"),
    ],
)
def test_a_pattern_matches_whole_names(glob: str, name: str) -> None:
    assert Names((glob,), folded=False).match(Name.of(name))
    assert not Names((glob,), folded=False).match(Name.of(f"x\n{name}y")) or glob == "*"


def test_patterns_that_are_folded_match_look_alikes_and_others_do_not() -> None:
    for look_alike in ("FILES__READ", "files__\uff52ead", "Files__read "):
        assert Names(("files__read",), folded=True).match(Name.of(look_alike))
        assert Names(("files__r*",), folded=True).match(Name.of(look_alike))
        assert Names(("*__r?ad",), folded=True).match(Name.of(look_alike))
        assert not Names(("files__read", "files__r*", "f*__r?ad"), folded=False).match(Name.of(look_alike))


def test_no_patterns_match_nothing() -> None:
    assert not Names((), folded=True).match(Name.of(""))


@given(letters, names)
def test_the_short_ways_say_what_the_pattern_says(glob: str, name: str) -> None:
    assert Names((glob,), folded=False).match(Name.of(name)) == (compiled(glob).fullmatch(name) is not None)


@given(letters, letters, names)
def test_what_is_covered_matches_no_name_that_the_cover_does_not(wide: str, narrow: str, name: str) -> None:
    if covers(wide, narrow) and compiled(narrow).fullmatch(name):
        assert compiled(wide).fullmatch(name)


@given(letters, names, names.filter(bool))
def test_a_name_that_matches_shows_that_its_beginning_could(glob: str, beginning: str, rest: str) -> None:
    if compiled(glob).fullmatch(beginning + rest):
        assert can_begin(glob, beginning)


@pytest.mark.parametrize(
    ("wide", "narrow", "surely"),
    [
        ("*", "files__*", True),
        ("files__*", "files__read_*", True),
        ("files__*", "files__x", True),
        ("a?c", "abc", True),
        ("a?c", "a?c", True),
        ("files__read_*", "files__*", False),
        ("a?c", "a*c", False),
        ("files__x", "files__y", False),
        ("", "", True),
    ],
)
def test_covering_is_said_where_it_is_sure(wide: str, narrow: str, surely: bool) -> None:
    assert covers(wide, narrow) is surely


@pytest.mark.parametrize(
    ("glob", "beginning", "could"),
    [
        ("payments__send", "payments__", True),
        ("*__send", "payments__", True),
        ("pay*", "payments__", True),
        ("payments__", "payments__", False),
        ("paymnts__send", "payments__", False),
        ("payments", "payments__", False),
        ("********x", "payments__", True),
    ],
)
def test_a_pattern_is_held_against_the_beginning_of_names(glob: str, beginning: str, could: bool) -> None:
    assert can_begin(glob, beginning) is could
