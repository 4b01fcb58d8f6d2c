from typing import Any

import pytest
from pydantic import ValidationError

from store.fields import FormField


def field(type_: str, **more: Any) -> FormField:
    if type_ in ("select", "multiselect"):
        more.setdefault("options", [{"id": "eu"}, {"id": "us"}, {"id": "ap"}])
    return FormField.model_validate({"name": "f", "type": type_, **more})


@pytest.mark.parametrize(
    ("definition", "complaint"),
    [
        ({"type": "text", "pattern": "(?=x)"}, "RE2"),
        ({"type": "text", "pattern": "("}, "RE2"),
        ({"type": "integer", "pattern": "1"}, "texts only"),
        ({"type": "select"}, "needs `options`"),
        ({"type": "text", "options": [{"id": "a"}]}, "select and multiselect only"),
        ({"type": "select", "options": [{"id": "a"}, {"id": "a"}]}, "appears twice"),
        ({"type": "password", "default": "hunter2"}, "cannot have a `default`"),
        ({"type": "integer", "default": "many"}, "`default` does not fit"),
        ({"type": "integer", "min": 5, "max": 1}, "is above"),
        ({"type": "date", "min": 5}, "such as '2026-11-22'"),
        ({"type": "text", "min": -1}, "counts from 0"),
        ({"type": "number", "max": 1e300}, "is a number between"),
        ({"type": "checkbox", "min": 1}, "does not fit"),
        ({"type": "colour"}, "Input should be"),
        ({"type": "text", "colour": "red"}, "Extra inputs"),
        ({"type": "text", "label": "x" * 201}, "at most 200"),
    ],
)
def test_a_field_that_makes_no_sense_is_refused_with_a_reason(definition: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        FormField.model_validate({"name": "f", **definition})
    assert complaint in str(refusal.value)


def test_a_label_defaults_to_the_name() -> None:
    assert field("text").label == "f"
