import re

import pytest

from review_web.visible import marked, scripts_of


def test_plain_text_is_only_escaped() -> None:
    assert marked("a < b & c") == "a &lt; b &amp; c"


@pytest.mark.parametrize(
    ("hidden", "said"),
    [
        ("\u202e", "U+202E"),
        ("\u2066", "U+2066"),
        ("\u200b", "U+200B"),
        ("\u00ad", "U+00AD"),
        ("\u3164", "U+3164"),
        ("\ufeff", "U+FEFF"),
        ("\x00", "U+0000"),
        ("\r", "U+000D"),
        ("\U000e0041", "U+E0041"),
        ("\ue000", "U+E000"),
    ],
)
def test_a_character_without_a_picture_is_shown_as_its_code_point(hidden: str, said: str) -> None:
    shown = marked(f"pay{hidden}roll")
    assert hidden not in shown
    assert f">{said}</span>" in shown


def test_line_breaks_tabs_and_letters_with_accents_are_left_alone() -> None:
    for text in ("a\n\tb", "naïve Straße", "Ελληνικά", "日本語とLatin", "שלום"):
        assert marked(text) == text


def test_emoji_as_keyboards_write_them_are_left_alone() -> None:
    for text in ("✔\ufe0f", "👩\u200d💻", "❤\ufe0f\u200d🔥"):
        assert marked(text) == text


def test_a_run_of_emoji_marks_that_hides_data_is_shown() -> None:
    assert marked("✔\ufe0f\ufe0f\ufe0f").count("U+FE0F") == 2


def test_a_joiner_between_letters_is_shown() -> None:
    assert "U+200D" in marked("pay\u200dpal")


def test_a_tower_of_accents_is_shown_from_the_fifth_on() -> None:
    assert marked("a" + "\u0301" * 7).count("U+0301") == 3


def test_a_word_that_mixes_look_alike_alphabets_is_named_as_such() -> None:
    assert "mixes Cyrillic + Latin" in marked("log in at p\u0430ypal")


def test_words_in_different_alphabets_beside_each_other_are_not_flagged() -> None:
    assert "mixes" not in marked("Москва and Athens, Αθήνα")


def test_alphabets_that_no_one_confuses_may_share_a_word() -> None:
    assert scripts_of("東京tower") == frozenset({"LATIN"})


def test_every_letter_around_a_marked_character_still_stands_there() -> None:
    assert re.sub(r"<[^>]+>", "", marked("a\u202eb\u200bc")) == "aU+202EbU+200Bc"
