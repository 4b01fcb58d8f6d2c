from typing import Any

import pytest
from pydantic import ValidationError

from store.questions import (
    AskApproval,
    AskForm,
    AskSelection,
    AskTextInput,
    load_question,
)
from tests.stage import approval, form, selection, text_input

FIELD = {"name": "f"}
EU = {"id": "eu"}


@pytest.mark.parametrize(
    "question",
    [
        approval(
            risk="high", evidence=[{"label": "Tests", "url": "https://ci.example.com/1"}], context="**all green**"
        ),
        selection(mode="multiple", min=1, max=2),
        form({"name": "n", "type": "number", "min": 0.5, "default": 1.0}, {"name": "p", "type": "password"}),
        text_input(format="markdown", max_length=500),
    ],
)
def test_a_question_survives_being_stored(question: Any) -> None:
    assert load_question(question.kind, question.model_dump(mode="json")) == question


def test_an_approval_has_approve_and_reject_by_default() -> None:
    assert [(o.id, o.approves) for o in approval().options] == [("approve", True), ("reject", False)]


@pytest.mark.parametrize(
    ("model", "arguments", "complaint"),
    [
        (AskApproval, {}, "title"),
        (AskApproval, {"title": "  "}, "at least 1"),
        (AskApproval, {"title": "x" * 201}, "at most 200"),
        (AskApproval, {"title": "x", "options": []}, "approves: true"),
        (AskApproval, {"title": "x", "options": [{"id": "a"}]}, "approves"),
        (AskApproval, {"title": "x", "options": [{"id": "a", "approves": True}]}, "approves: false"),
        (
            AskApproval,
            {"title": "x", "options": [{"id": "a", "approves": True}, {"id": "a", "approves": False}]},
            "appears twice",
        ),
        (AskApproval, {"title": "x", "timeout_seconds": 0}, "greater than or equal to 1"),
        (AskApproval, {"title": "x", "timeout_seconds": 86_401}, "less than or equal to 86400"),
        (AskApproval, {"title": "x", "risk": "enormous"}, "risk"),
        (AskApproval, {"title": "x", "urgent": True}, "Extra inputs"),
        (AskApproval, {"title": "x", "evidence": [{"label": "l"}]}, "exactly one"),
        (AskApproval, {"title": "x", "evidence": [{"label": "l", "url": "file:///etc/passwd"}]}, "http"),
        (AskApproval, {"title": "x\ud800"}, "unicode"),
        (AskSelection, {"prompt": "x", "options": []}, "at least 1"),
        (AskSelection, {"prompt": "x", "options": [{"id": str(i)} for i in range(51)]}, "at most 50"),
        (AskSelection, {"prompt": "x", "options": [EU, EU]}, "appears twice"),
        (AskSelection, {"prompt": "x", "options": [EU], "max": 2}, "mode: multiple"),
        (AskSelection, {"prompt": "x", "options": [EU], "mode": "multiple", "max": 2}, "above the number"),
        (AskSelection, {"prompt": "x", "options": [EU], "mode": "multiple", "min": 2}, "is above"),
        (AskForm, {"title": "x", "fields": []}, "at least 1"),
        (AskForm, {"title": "x", "fields": [FIELD, FIELD]}, "appears twice"),
        (AskForm, {"title": "x", "fields": [{"name": f"f{i}"} for i in range(51)]}, "at most 50"),
        (AskTextInput, {"title": "x", "min_length": 5, "max_length": 4}, "is above"),
        (AskTextInput, {"title": "x", "prefill": "long", "max_length": 3}, "longer than"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused_with_a_reason(
    model: Any, arguments: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValidationError) as refusal:
        model.model_validate(arguments)
    assert complaint in str(refusal.value)
