"""The tools by name: what each takes and answers, and the words by which a model chooses it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated

import mcp_types as types
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from server.tools.results import AnyResult, ApprovalResult, FormResult, LogPage, SelectionResult, TextInputResult
from server.tools.schemas import input_schema, output_schema
from store.audit.own_entries import LONGEST_PATTERN, MOST_ENTRIES
from store.audit.own_lines import Level
from store.questions import TIMEOUT_LIMIT, AskApproval, AskForm, AskSelection, AskTextInput
from store.text import Label, Text

ALWAYS_LOAD = {"anthropic/alwaysLoad": True}
"""Without it some clients hide a tool behind a search, and an agent that does not see the gate does not use it."""

RequestId = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class _Arguments(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AwaitReview(_Arguments):
    request_id: RequestId = Field(description="From an earlier answer of yours.")
    hold_seconds: Annotated[int, Field(ge=0, le=TIMEOUT_LIMIT)] | None = Field(
        default=None, description="Answer `pending` after this long instead of blocking. Normally left out."
    )


class WithdrawReview(_Arguments):
    request_id: RequestId = Field(description="From an earlier answer of yours.")


class ReportConsequence(_Arguments):
    request_id: RequestId = Field(description="The request whose decision you carried out.")
    result: Label = Field(description="What came of it, in one line of at most 200 characters.")
    details: Text | None = Field(default=None, description="More of it, for the person who decided.")


class ReadLogs(_Arguments):
    level: Level | None = Field(default=None, description="The least level: info, warning or error. Default: all.")
    since: AwareDatetime | None = Field(
        default=None, description="Not older than this: ISO 8601 with an offset, such as 2026-11-22T09:00:00Z."
    )
    until: AwareDatetime | None = Field(default=None, description="Older than this; written like `since`.")
    pattern: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_PATTERN)] | None = Field(
        default=None, description="An RE2 expression that the line's text must match somewhere."
    )
    limit: Annotated[int, Field(ge=1, le=MOST_ENTRIES)] = Field(
        default=50, description=f"How many lines at most, up to {MOST_ENTRIES}."
    )
    cursor: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = Field(
        default=None, description="`next_cursor` of an earlier answer: the lines before those."
    )


class ConsequenceReceipt(BaseModel):
    request_id: str
    recorded: bool


@dataclass(frozen=True)
class Definition:
    """One tool. `arguments` is what a call is validated against."""

    name: str
    title: str
    description: str
    arguments: type[BaseModel]
    result: type[BaseModel] | None
    """What it always answers with; None where that depends."""
    annotations: types.ToolAnnotations
    always_load: bool = False

    def tool(self) -> types.Tool:
        """As the protocol lists it."""
        return types.Tool(
            name=self.name,
            title=self.title,
            description=self.description,
            input_schema=input_schema(self.arguments),
            output_schema=None if self.result is None else output_schema(self.result),
            annotations=self.annotations,
            meta=ALWAYS_LOAD if self.always_load else None,
        )


# Asking changes nothing but the reviewers' inbox, and asking the same twice posts one card.
_ASKS = types.ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
_BLOCKS = (
    "Blocks until a person answers, which may take long; do not ask twice and do not poll. "
    "Act only if `may_proceed` is true, and follow `next`. On `pending` call await_review with the request_id."
)

_DEFINITIONS = (
    Definition(
        "ask_approval",
        "Ask a person for approval",
        "Ask a person for permission before you do something that is hard to undo, costs money, reaches other people, "
        "touches production or personal data, or goes beyond your task. Put exactly what will happen into `title` and "
        "`description`, and what you did so far into `context`. If the answer is no, do not do it, do not look for a "
        f"way round, and do not ask the same again. {_BLOCKS}",
        AskApproval,
        ApprovalResult,
        _ASKS,
        always_load=True,
    ),
    Definition(
        "ask_selection",
        "Ask a person to choose",
        "Ask a person to choose one or several of the options that you offer, when the choice is theirs to make. "
        f"{_BLOCKS}",
        AskSelection,
        SelectionResult,
        _ASKS,
        always_load=True,
    ),
    Definition(
        "ask_form",
        "Ask a person to fill in a form",
        "Ask a person for facts that you need, as a form with typed fields. Ask for passwords, tokens and keys only "
        "here, in fields of type `password`: you get a handle, never the secret, and must never ask for a secret in "
        f"any other way. {_BLOCKS}",
        AskForm,
        FormResult,
        _ASKS,
        always_load=True,
    ),
    Definition(
        "ask_text_input",
        "Ask a person to write or edit a text",
        "Ask a person to write a text, or to edit your draft (`prefill`) before it is used: mails, posts, commit "
        f"messages, contracts. Use the text you get back to the letter. {_BLOCKS}",
        AskTextInput,
        TextInputResult,
        _ASKS,
        always_load=True,
    ),
    Definition(
        "await_review",
        "Go on waiting for an answer",
        "Wait on for a question or a held call that answered `pending`, or read its answer again. Blocks until a "
        "person answers. Of a call that was approved you get what the call itself returns.",
        AwaitReview,
        # An approved call's own result: clients would refuse what does not fit a schema of ours.
        None,
        types.ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False),
        always_load=True,
    ),
    Definition(
        "withdraw_review",
        "Take a question back",
        "Take back a question that you no longer need answered, so that nobody spends time on it. A question that was "
        "answered stays answered.",
        WithdrawReview,
        AnyResult,
        types.ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False),
    ),
    Definition(
        "report_consequence",
        "Report what came of a decision",
        "After you acted on a person's answer, say what came of it, good or bad: the person who decided sees it.",
        ReportConsequence,
        ConsequenceReceipt,
        types.ToolAnnotations(
            read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False
        ),
    ),
    Definition(
        "read_logs",
        "Read your own entries of the log",
        "Read what the signed log holds about you and nobody else: your questions and how they ended, your calls and "
        "what came of them, newest last. Follow `next_cursor` for older lines. Do not wait for an answer with it: that "
        "is what await_review is for.",
        ReadLogs,
        LogPage,
        types.ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False),
    ),
)

CATALOGUE: Mapping[str, Definition] = MappingProxyType({d.name: d for d in _DEFINITIONS})
"""Every tool that is always there, in the order in which it is listed."""
