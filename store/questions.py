"""The four questions, as an agent states them: names, limits and defaults of every argument.

These models are the tools' argument schemas and what is stored of a request, so a question means the same on both
sides of a restart. They are values: frozen, and with every default filled in.
"""

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from store.fields import LIST_LIMIT, Choice, FormField, Value, require_unique, with_label
from store.lifecycle import Kind
from store.policy.clients import CLIENTS
from store.text import TEXT_LIMIT, TITLE_LIMIT, Identifier, Label, OneLine, Text, is_web_address

TIMEOUT_LIMIT = 86_400
QUESTION_LIMIT = 256 * 1024
"""Characters of a question with everything in it. Every page and every look at a list pays for them."""

Title = Label


class Style(StrEnum):
    PRIMARY = "primary"
    SECONDARY = "secondary"
    DANGER = "danger"


class Risk(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Mode(StrEnum):
    SINGLE = "single"
    MULTIPLE = "multiple"


class TextFormat(StrEnum):
    PLAIN = "plain"
    MARKDOWN = "markdown"


class ApprovalOption(Value):
    """One button of an approval."""

    id: Identifier = Field(description="What you get back as `decision`.")
    label: Label = Field(default="", description="What the button says. Defaults to the id.")
    style: Style = Field(default=Style.SECONDARY, description="Looks only; it changes nothing about the effect.")
    approves: bool = Field(description="Whether choosing this lets you proceed.")

    @model_validator(mode="before")
    @classmethod
    def _label_defaults_to_id(cls, data: Any) -> Any:
        return with_label(data, "id")


class Evidence(Value):
    """Something the reviewer may check: a text, or an address that is shown and never loaded."""

    label: Label
    text: Text | None = None
    url: Annotated[str, StringConstraints(max_length=2048)] | None = None

    @model_validator(mode="after")
    def _one_of_text_and_url(self) -> Self:
        if (self.text is None) == (self.url is None):
            raise ValueError("give exactly one of `text` and `url`")
        return self

    @field_validator("url")
    @classmethod
    def _web_address(cls, url: str | None) -> str | None:
        if url is not None and not is_web_address(url):
            raise ValueError("must be a whole http or https address, such as https://example.com/run/17")
        return url


class Question(Value):
    """What all four share. Everything here is the agent's own claim: it is shown as such."""

    kind: ClassVar[Kind]

    context: Text | None = Field(
        default=None, description="Markdown: what you did so far, why you ask, what will change."
    )
    reasoning: Text | None = Field(default=None, description="Why you think this is right; shown as your own words.")
    evidence: Annotated[tuple[Evidence, ...], Field(max_length=LIST_LIMIT)] = Field(
        default=(), description="What the reviewer can check: label with a text or an address."
    )
    risk: Risk | None = Field(default=None, description="How much harm a wrong answer could do.")
    workflow: Annotated[str, StringConstraints(min_length=1, max_length=TITLE_LIMIT), OneLine] | None = Field(
        default=None, description="A label that groups requests."
    )
    follows: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = Field(
        default=None, description="request_id of an earlier request of yours that this one continues."
    )
    timeout_seconds: Annotated[int, Field(ge=1, le=TIMEOUT_LIMIT)] | None = Field(
        default=None,
        description="After how many seconds the request expires. Leave it out unless a person set a limit.",
    )
    hold_seconds: Annotated[int, Field(ge=0, le=TIMEOUT_LIMIT)] | None = Field(
        default=None, description="Answer `pending` after this long instead of blocking. Normally left out."
    )
    idempotency_key: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = Field(
        default=None, description="Your own name for this question; asking again with it never posts a second card."
    )

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        length = len(self.model_dump_json(exclude_none=True))
        if length > QUESTION_LIMIT:
            raise ValueError(
                f"the whole question has {length:,} characters; a person can be shown at most {QUESTION_LIMIT:,}: "
                "shorten the texts, or give evidence as addresses"
            )
        return self

    @property
    def headline(self) -> str:
        """The one line that names the question."""
        raise NotImplementedError

    def identity(self) -> dict[str, Any]:
        """What makes this question the same question when it is asked again."""
        return self.substance()

    def substance(self) -> dict[str, Any]:
        """The arguments that make this question the same question: all but how long to wait and the key."""
        return self.model_dump(mode="json", exclude={"timeout_seconds", "hold_seconds", "idempotency_key"})


APPROVE = ApprovalOption(id="approve", label="Approve", style=Style.PRIMARY, approves=True)
REJECT = ApprovalOption(id="reject", label="Reject", style=Style.DANGER, approves=False)


class AskApproval(Question):
    """May I?"""

    kind: ClassVar[Kind] = Kind.APPROVAL
    title: Title = Field(description="The question in one line, at most 200 characters.")
    description: Text | None = Field(default=None, description="Markdown: exactly what will happen.")
    options: Annotated[tuple[ApprovalOption, ...], Field(max_length=LIST_LIMIT)] = Field(
        default=(APPROVE, REJECT),
        description="Custom buttons. At least one must approve and at least one must not.",
    )

    @field_validator("options")
    @classmethod
    def _both_ways(cls, options: tuple[ApprovalOption, ...]) -> tuple[ApprovalOption, ...]:
        require_unique("option", [option.id for option in options])
        if {option.approves for option in options} != {True, False}:
            raise ValueError(
                "need at least one option with `approves: true` and one with `approves: false`, "
                "such as [{'id': 'ship', 'approves': true}, {'id': 'wait', 'approves': false}]"
            )
        return options

    @property
    def headline(self) -> str:
        return self.title


class AskSelection(Question):
    """Which of these?"""

    kind: ClassVar[Kind] = Kind.SELECTION
    prompt: Title = Field(description="What to choose, in one line of at most 200 characters.")
    options: Annotated[tuple[Choice, ...], Field(min_length=1, max_length=LIST_LIMIT)] = Field(
        description="What can be chosen."
    )
    mode: Mode = Field(default=Mode.SINGLE)
    min: Annotated[int, Field(ge=0, le=LIST_LIMIT)] | None = Field(
        default=None, description="With mode multiple: the fewest to select. Default 1."
    )
    max: Annotated[int, Field(ge=1, le=LIST_LIMIT)] | None = Field(
        default=None, description="With mode multiple: the most to select. Default: all."
    )

    @model_validator(mode="after")
    def _limits_fit(self) -> Self:
        require_unique("option", [option.id for option in self.options])
        if self.mode is Mode.SINGLE and (self.min not in (None, 1) or self.max not in (None, 1)):
            raise ValueError("`min` and `max` need `mode: multiple`")
        least, most = self.bounds
        if least > most:
            raise ValueError(f"`min` ({least}) is above `max` ({most})")
        if most > len(self.options):
            raise ValueError(f"`max` ({most}) is above the number of options ({len(self.options)})")
        return self

    @property
    def bounds(self) -> tuple[int, int]:
        """The fewest and the most options that an answer may name."""
        if self.mode is Mode.SINGLE:
            return 1, 1
        return 1 if self.min is None else self.min, len(self.options) if self.max is None else self.max

    @property
    def headline(self) -> str:
        return self.prompt


class AskForm(Question):
    """Please fill this in."""

    kind: ClassVar[Kind] = Kind.FORM
    title: Title = Field(description="What the form is for, in one line of at most 200 characters.")
    description: Text | None = Field(default=None, description="Markdown: what you need this for.")
    fields: Annotated[tuple[FormField, ...], Field(min_length=1, max_length=LIST_LIMIT)] = Field(
        description="The fields, in order."
    )

    @field_validator("fields")
    @classmethod
    def _names_differ(cls, fields: tuple[FormField, ...]) -> tuple[FormField, ...]:
        require_unique("field", [field.name for field in fields])
        return fields

    @property
    def headline(self) -> str:
        return self.title


class AskTextInput(Question):
    """Please write, or edit, this text."""

    kind: ClassVar[Kind] = Kind.TEXT_INPUT
    title: Title = Field(description="What to write, in one line of at most 200 characters.")
    description: Text | None = Field(default=None, description="Markdown: what the text is for.")
    prefill: Text = Field(default="", description="A draft for the person to edit.")
    format: TextFormat = Field(default=TextFormat.PLAIN)
    min_length: Annotated[int, Field(ge=0, le=TEXT_LIMIT)] = Field(default=0)
    max_length: Annotated[int, Field(ge=1, le=TEXT_LIMIT)] = Field(default=TEXT_LIMIT)

    @model_validator(mode="after")
    def _limits_fit(self) -> Self:
        if self.min_length > self.max_length:
            raise ValueError(f"`min_length` ({self.min_length}) is above `max_length` ({self.max_length})")
        if len(self.prefill) > self.max_length:
            raise ValueError(f"`prefill` is longer than `max_length` ({self.max_length})")
        return self

    @property
    def headline(self) -> str:
        return self.title


FOLDER = "cwd"
"""The fact by which clients say in which folder their tool would run."""


class HeldCall(Question):
    """May exactly this call run? Assent asks it and not the agent: of what questions share, only the times are used."""

    kind: ClassVar[Kind] = Kind.CALL
    upstream: str
    method: str
    """See `store.calls.definitions.Method`."""
    name: str
    """The upstream's own name of the tool or prompt; empty for a resource."""
    tool: str
    """The name that rules match."""
    arguments: dict[str, Any]
    """Exactly what will be sent."""
    definition_sha256: str | None
    """Of the definition that people were shown; what runs is checked against it."""
    description: str | None
    """What the upstream says of it, as it was accepted: a claim of the upstream's."""
    held_because: tuple[str, ...]
    """Why it is held: Assent's own words."""
    edited_by: str | None = None
    """The reviewer who changed the arguments last, by display name."""
    asked_arguments: dict[str, Any] | None = None
    """What the agent called it with, where a reviewer changed that."""
    facts: dict[str, str] | None = None
    """What the agent's client adds by itself; `reasoning` is the agent's. Nobody checked either."""

    @property
    def is_own(self) -> bool:
        """Whether it is a tool that the agent's client brings itself, and runs itself."""
        return self.method == "own"

    @property
    def client(self) -> str | None:
        """What people call the client whose own tool it is; None of what an upstream has."""
        return CLIENTS.get(self.upstream, self.upstream) if self.is_own else None

    @property
    def headline(self) -> str:
        return f"{self.client or self.upstream} · {self.name or 'read a resource'}"

    def identity(self) -> dict[str, Any]:
        """What makes a call the same call: what is called, and with what, by the agent's own words; and of a client's
        own tool the folder that it runs in, since the same command elsewhere is another one."""
        said = {
            "tool": self.tool,
            "arguments": self.arguments if self.asked_arguments is None else self.asked_arguments,
        }
        folder = (self.facts or {}).get(FOLDER) if self.is_own else None
        return said if folder is None else {**said, FOLDER: folder}


AnyQuestion = AskApproval | AskSelection | AskForm | AskTextInput | HeldCall
QUESTIONS: dict[Kind, type[AnyQuestion]] = {
    Kind.APPROVAL: AskApproval,
    Kind.SELECTION: AskSelection,
    Kind.FORM: AskForm,
    Kind.TEXT_INPUT: AskTextInput,
    Kind.CALL: HeldCall,
}


def load_question(kind: Kind, data: Any) -> AnyQuestion:
    """A stored question, read back."""
    return QUESTIONS[kind].model_validate(data)
