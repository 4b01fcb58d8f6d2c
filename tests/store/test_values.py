from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.fields import FormField
from store.values import FieldType, Refused, check_value, from_text


def field(type_: str, **more: Any) -> FormField:
    if type_ in ("select", "multiselect"):
        more.setdefault("options", [{"id": "eu"}, {"id": "us"}, {"id": "ap"}])
    return FormField.model_validate({"name": "f", "type": type_, **more})


GOOD = [
    ("text", "hello", "hello"),
    ("textarea", "two\nlines", "two\nlines"),
    ("number", 1.5, 1.5),
    ("number", 3, 3),
    ("integer", 3, 3),
    ("integer", 3.0, 3),
    ("select", "eu", "eu"),
    ("multiselect", ["us", "eu"], ["us", "eu"]),
    ("checkbox", True, True),
    ("checkbox", None, False),
    ("date", "2026-11-22", "2026-11-22"),
    ("time", "14:30", "14:30"),
    ("datetime", "2026-11-22T14:30", "2026-11-22T14:30"),
    ("email", "ana@example.com", "ana@example.com"),
    ("url", "https://example.com/x", "https://example.com/x"),
    ("password", "hunter2", "hunter2"),
]


def test_every_field_type_has_a_good_value_among_these_examples() -> None:
    assert {type_ for type_, _, _ in GOOD} == {t.value for t in FieldType}


@pytest.mark.parametrize(("type_", "value", "kept"), GOOD)
def test_a_fitting_value_comes_back_typed(type_: str, value: Any, kept: Any) -> None:
    found = check_value(field(type_), value)
    assert found == kept
    assert type(found) is type(kept)


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("text", 5),
        ("text", "lone \ud800 surrogate"),
        ("number", "1.5"),
        ("number", True),
        ("number", float("nan")),
        ("number", float("inf")),
        ("number", 2**53),
        ("integer", 1.5),
        ("integer", "three"),
        ("select", "mars"),
        ("select", ["eu"]),
        ("multiselect", "eu"),
        ("multiselect", ["eu", "eu"]),
        ("multiselect", ["eu", "mars"]),
        ("checkbox", "yes"),
        ("date", "22.11.2026"),
        ("date", "2026-02-30"),
        ("time", "25:00"),
        ("time", "14:30+01:00"),
        ("datetime", "2026-11-22"[:7]),
        ("email", "ana.example.com"),
        ("email", "a@b@c"),
        ("url", "example.com"),
        ("url", "javascript:alert(1)"),
        ("password", 12),
    ],
)
def test_a_value_of_another_type_is_refused_with_a_reason(type_: str, value: Any) -> None:
    found = check_value(field(type_), value)
    assert isinstance(found, Refused)
    assert found.reason


@pytest.mark.parametrize("type_", [t.value for t in FieldType if t is not FieldType.CHECKBOX])
def test_an_empty_optional_field_is_null_and_an_empty_required_one_is_refused(type_: str) -> None:
    assert check_value(field(type_), None) is None
    assert check_value(field(type_, required=True), None) == Refused("is required")


def test_a_required_checkbox_must_be_ticked() -> None:
    assert check_value(field("checkbox", required=True), False) == Refused("must be ticked")
    assert check_value(field("checkbox", required=True), True) is True


@pytest.mark.parametrize(
    ("type_", "limits", "inside", "below", "above"),
    [
        ("integer", {"min": 2, "max": 4}, 3, 1, 5),
        ("number", {"min": 0.5, "max": 1.5}, 1.5, 0.4, 1.6),
        ("text", {"min": 2, "max": 3}, "ab", "a", "abcd"),
        ("password", {"min": 8, "max": 9}, "12345678", "1234567", "1234567890"),
        ("multiselect", {"min": 2, "max": 2}, ["eu", "us"], ["eu"], ["eu", "us", "ap"]),
        ("date", {"min": "2026-01-01", "max": "2026-12-31"}, "2026-06-01", "2025-12-31", "2027-01-01"),
        ("time", {"min": "09:00", "max": "17:00"}, "12:00", "08:59", "17:01"),
        (
            "datetime",
            {"min": "2026-01-01T00:00", "max": "2026-01-02T00:00"},
            "2026-01-01T12:00",
            "2025-12-31T23:59",
            "2026-01-02T00:01",
        ),
    ],
)
def test_limits_hold_on_both_sides(type_: str, limits: dict[str, Any], inside: Any, below: Any, above: Any) -> None:
    limited = field(type_, **limits)
    assert check_value(limited, inside) == inside
    assert isinstance(check_value(limited, below), Refused)
    assert isinstance(check_value(limited, above), Refused)


def test_a_pattern_must_match_the_whole_text() -> None:
    ticket = field("text", pattern="[A-Z]{2}-[0-9]+")
    assert check_value(ticket, "OP-17") == "OP-17"
    assert isinstance(check_value(ticket, "see OP-17"), Refused)


@pytest.mark.parametrize(
    ("type_", "texts", "value"),
    [
        ("text", ["hello"], "hello"),
        ("text", [""], None),
        ("text", [], None),
        ("textarea", ["a\r\nb"], "a\nb"),
        ("number", [" 1.5 "], 1.5),
        ("integer", ["3"], 3),
        ("integer", ["three"], "three"),
        ("select", ["eu"], "eu"),
        ("multiselect", ["eu", "us"], ["eu", "us"]),
        ("multiselect", [], []),
        ("checkbox", ["on"], True),
        ("checkbox", [], False),
        ("password", ["  spaces are kept "], "  spaces are kept "),
    ],
)
def test_what_a_browser_sends_is_read_by_type(type_: str, texts: list[str], value: Any) -> None:
    assert from_text(field(type_), texts) == value


@given(st.sampled_from(list(FieldType)), st.lists(st.text(), max_size=3))
def test_no_browser_input_breaks_the_reading_or_the_check(type_: FieldType, texts: list[str]) -> None:
    definition = field(type_.value)
    found = check_value(definition, from_text(definition, texts))
    assert isinstance(found, Refused) or check_value(definition, found) == found
