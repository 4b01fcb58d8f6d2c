"""How a result begins, whatever shape it has."""

from typing import Any

import pytest

from store.calls.excerpt import LONGEST, excerpt_of


@pytest.mark.parametrize(
    ("result", "excerpt"),
    [
        ({"content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]}, "one\ntwo"),
        ({"content": [{"type": "image", "data": "AAAA", "mimeType": "image/png"}]}, "[image/png]"),
        ({"content": [{"type": "resource_link", "uri": "file:///a"}]}, "[resource_link]"),
        ({"content": [{"type": "resource", "resource": {"uri": "a", "text": "inside"}}]}, "inside"),
        ({"messages": [{"role": "user", "content": {"type": "text", "text": "hello"}}]}, "hello"),
        ({"contents": [{"uri": "a", "text": "of a resource"}]}, "of a resource"),
        ({"contents": [{"uri": "a", "blob": "AAAA"}]}, "[?]"),
        ({"content": ["text", None, 3]}, "[?]\n[?]\n[?]"),
        ({"content": "text"}, ""),
        ({"structuredContent": {"a": 1}}, ""),
        ({}, ""),
    ],
)
def test_the_texts_of_a_result_stand_one_below_the_other(result: dict[str, Any], excerpt: str) -> None:
    assert excerpt_of(result) == excerpt


def test_it_is_cut_where_it_is_long_and_says_so() -> None:
    assert excerpt_of({"content": [{"text": "a" * LONGEST}]}) == "a" * LONGEST
    assert excerpt_of({"content": [{"text": "a" * 300}, {"text": "b" * 300}]}) == "a" * 300 + "\n" + "b" * 199 + "…"
    assert len(excerpt_of({"content": [{"text": "x"}] * 100_000})) <= LONGEST + 1


def test_what_is_no_unicode_text_becomes_one() -> None:
    assert excerpt_of({"content": [{"text": "a\ud800b"}]}) == "a?b"
