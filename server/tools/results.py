"""What the tools answer. Every field of the contract is always there; what is not decided yet is null."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, Field

from store.asking import Report
from store.lifecycle import Kind
from store.moments import to_text


class Status(StrEnum):
    ANSWERED = "answered"
    DECLINED = "declined"
    RETURNED = "returned"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    PENDING = "pending"


class LogLine(BaseModel):
    """One entry of the log, as its agent may read it."""

    index: int | None = Field(description="Its index in the signed log; null while that would tell who has answered.")
    at: str = Field(description="UTC, ISO 8601.")
    type: str
    level: str = Field(description="info, warning or error.")
    text: str
    request_id: str | None = None
    call_id: str | None = None
    tool: str | None = None


class LogPage(BaseModel):
    """What `read_logs` answers."""

    entries: list[LogLine] = Field(description="The newest last.")
    next_cursor: str | None = Field(
        description="Leads to older lines, also from an empty page; null where there are none."
    )


class AuditReference(BaseModel):
    index: int = Field(description="Index of the decision's entry in the signed log.")


class Result(BaseModel):
    """What every question answers with."""

    status: Status = Field(
        description=(
            "answered: a person answered. declined: a person refused to answer. returned: a person asks back, see "
            "comment. expired: nobody answered in time. withdrawn: taken back. pending: nobody answered yet."
        )
    )
    may_proceed: bool = Field(
        description="True only if a person answered and, for approvals, approved. If false, do not act."
    )
    next: str = Field(description="What to do now, in one sentence. Follow it.")
    request_id: str
    review_url: str = Field(description="The page where a person answers. You cannot open it; people can.")
    waited_seconds: float = Field(description="How long the question was, or has been, open.")
    comment: str | None = Field(description="The person's own words.")
    decided_by: str | None
    decided_at: str | None = Field(description="UTC, ISO 8601.")
    audit: AuditReference | None = None


class ApprovalResult(Result):
    decision: str | None = Field(default=None, description="The id of the option that was chosen.")
    approved: bool = Field(default=False, description="Whether that option approves.")


class SelectionResult(Result):
    selected: list[str] | None = Field(default=None, description="The ids that were selected.")


class FormResult(Result):
    values: dict[str, Any] | None = Field(default=None, description="By field name, typed. Never a password.")
    credentials: dict[str, str] | None = Field(
        default=None, description="By password field: a handle. The password itself is sealed and never told."
    )


class TextInputResult(Result):
    text: str | None = None
    edited: bool | None = Field(default=None, description="Whether the person changed your prefill.")


class AnyResult(Result):
    """What `await_review` answers: the result of the question's own tool, and which kind it was."""

    kind: Kind
    decision: str | None = None
    approved: bool | None = None
    selected: list[str] | None = None
    values: dict[str, Any] | None = None
    credentials: dict[str, str] | None = None
    text: str | None = None
    edited: bool | None = None


RESULTS: Mapping[Kind, type[Result]] = {
    Kind.APPROVAL: ApprovalResult,
    Kind.SELECTION: SelectionResult,
    Kind.FORM: FormResult,
    Kind.TEXT_INPUT: TextInputResult,
    Kind.CALL: ApprovalResult,
}


def result_of(report: Report, *, next_step: str, review_url: str, now: datetime) -> Result:
    """The result of the question's own tool."""
    ended = report.decided_at or now
    return RESULTS[report.kind](
        status=Status.PENDING if report.outcome is None else Status(report.outcome.value),
        may_proceed=report.may_proceed,
        next=next_step,
        request_id=report.request_id,
        review_url=review_url,
        waited_seconds=round(max(0.0, (ended - report.opened_at).total_seconds()), 1),
        comment=report.comment,
        decided_by=report.decided_by,
        decided_at=None if report.decided_at is None else to_text(report.decided_at),
        audit=None if report.audit_index is None else AuditReference(index=report.audit_index),
        **(report.answer or {}),
    )
