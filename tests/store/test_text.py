"""What can be seen in a text."""

import pytest

from store.text import says_something


@pytest.mark.parametrize("text", ["ok", "い", "🚀", "!", "  x  ", "e\u0301", "\u200bok"])
def test_what_has_something_to_see_says_something(text: str) -> None:
    assert says_something(text)


@pytest.mark.parametrize(
    "text", ["", " \n\t", "\u200b\u2060", "\u3164", "\u2800\u00a0", "\u0301", "\ufe0f", "\u202e", "\ue000"]
)
def test_blanks_and_invisible_characters_say_nothing(text: str) -> None:
    assert not says_something(text)
