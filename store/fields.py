"""One option to select, and one field of a form, as an agent defines them. Pure."""

from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from store.text import TEXT_LIMIT, Identifier, Label, Text, compiling, no_nul
from store.values import (
    CHOICE_TYPES,
    MOMENT_TYPES,
    MOMENTS,
    NUMBER_TYPES,
    SAFE_INTEGER,
    TEXT_TYPES,
    FieldType,
    Refused,
    check_value,
    is_safe_number,
    parse_moment,
)

LIST_LIMIT = 50


class Value(BaseModel):
    """A frozen value that refuses arguments it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def require_unique(kind: str, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{kind} {twice[0]!r} appears twice; each must be unique")


def with_label(data: Any, source: str) -> Any:
    if isinstance(data, dict) and data.get("label") is None and isinstance(data.get(source), str):
        return {**data, "label": data[source]}
    return data


class Choice(Value):
    """One option to select."""

    id: Identifier = Field(description="What you get back when it is selected.")
    label: Label = Field(default="", description="What the person reads. Defaults to the id.")
    description: Text | None = Field(default=None, description="A line that helps to choose.")

    @model_validator(mode="before")
    @classmethod
    def _label_defaults_to_id(cls, data: Any) -> Any:
        return with_label(data, "id")


class FormField(Value):
    """One field of a form."""

    name: Identifier = Field(description="Key of the answer in `values`, or in `credentials` for a password.")
    label: Label = Field(default="", description="What the person reads. Defaults to the name.")
    type: FieldType = Field(default=FieldType.TEXT)
    required: bool = Field(default=False)
    options: Annotated[tuple[Choice, ...], Field(max_length=LIST_LIMIT)] = Field(
        default=(), description="For select and multiselect: what can be chosen."
    )
    default: Any = Field(default=None, description="What the field holds at first, in the field's own type.")
    help: Annotated[str, StringConstraints(max_length=2000), AfterValidator(no_nul)] | None = Field(
        default=None, description="A line under the field."
    )
    min: int | float | str | None = Field(
        default=None,
        description="Least value (number, integer, date, time, datetime), length (texts) or count (multiselect).",
    )
    max: int | float | str | None = Field(default=None, description="Greatest value, length or count; see `min`.")
    pattern: Annotated[str, StringConstraints(min_length=1, max_length=1000)] | None = Field(
        default=None, description="For texts: an RE2 pattern that the whole text must match."
    )

    @model_validator(mode="before")
    @classmethod
    def _label_defaults_to_name(cls, data: Any) -> Any:
        return with_label(data, "name")

    @field_validator("pattern")
    @classmethod
    def _pattern_compiles(cls, pattern: str | None) -> str | None:
        return None if pattern is None else compiling(pattern)

    @model_validator(mode="after")
    def _fits_its_type(self) -> Self:
        if (self.type in CHOICE_TYPES) != bool(self.options):
            raise ValueError(
                f"a {self.type} field needs `options`, such as [{{'id': 'eu'}}, {{'id': 'us'}}]"
                if self.type in CHOICE_TYPES
                else f"`options` fit select and multiselect only, not {self.type}"
            )
        require_unique("option", [option.id for option in self.options])
        if self.pattern is not None and self.type not in TEXT_TYPES:
            raise ValueError(f"`pattern` fits texts only, not {self.type}")
        if self.type is FieldType.PASSWORD and self.default is not None:
            raise ValueError("a password field cannot have a `default`")
        self._check_bounds()
        if self.default is not None:
            found = check_value(self, self.default)
            if isinstance(found, Refused):
                raise ValueError(f"`default` does not fit: {found.reason}")
        return self

    def _check_bounds(self) -> None:
        for name, bound in (("min", self.min), ("max", self.max)):
            if bound is not None:
                self._check_bound(name, bound)
        if self.min is not None and self.max is not None and self._order(self.min) > self._order(self.max):
            raise ValueError(f"`min` ({self.min}) is above `max` ({self.max})")

    def _check_bound(self, name: str, bound: int | float | str) -> None:
        if self.type in MOMENT_TYPES:
            example = MOMENTS[self.type][1]
            if not isinstance(bound, str) or parse_moment(self.type, bound) is None:
                raise ValueError(f"`{name}` of a {self.type} field is a text such as {example!r}")
        elif self.type in NUMBER_TYPES:
            if isinstance(bound, str) or not is_safe_number(bound):
                raise ValueError(f"`{name}` of a {self.type} field is a number between ±{SAFE_INTEGER}")
        elif self.type in (FieldType.SELECT, FieldType.CHECKBOX):
            raise ValueError(f"`{name}` does not fit a {self.type} field")
        elif not isinstance(bound, int) or not 0 <= bound <= TEXT_LIMIT:
            raise ValueError(f"`{name}` of a {self.type} field counts from 0 to {TEXT_LIMIT} in whole numbers")

    def _order(self, bound: int | float | str) -> Any:
        return parse_moment(self.type, bound) if isinstance(bound, str) else bound
