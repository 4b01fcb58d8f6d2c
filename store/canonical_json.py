"""One form for each JSON value, and the hash of it: RFC 8785. Pure."""

import hashlib
from collections.abc import Mapping
from typing import Any

import rfc8785

_LARGEST_WHOLE = 2**53 - 1
_WITH_EXPONENT = 1e21


def canonical_sha256(value: Any) -> str:
    """Hex SHA-256 of a JSON value in its RFC 8785 form: the same for every spelling of the same value."""
    return hashlib.sha256(rfc8785.dumps(value)).hexdigest()


def canonical_text(value: Any) -> str:
    """A JSON value in its RFC 8785 form."""
    return rfc8785.dumps(value).decode()


def settled(value: Any) -> Any:
    """A JSON value as whoever reads its RFC 8785 form has it: `2.0` and `2` are one number, `-0.0` is 0.

    Raises:
        ValueError: it has a number whose form is that of a whole number beyond 2^53, which has no form itself.
    """
    if isinstance(value, float):
        return _settled_number(value)
    if isinstance(value, Mapping):
        return {key: settled(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [settled(inner) for inner in value]
    return value


def _settled_number(number: float) -> int | float:
    # From 1e21 on the form has an exponent, so that it is read as a fraction again.
    if not number.is_integer() or abs(number) >= _WITH_EXPONENT:
        return number
    if abs(number) > _LARGEST_WHOLE:
        raise ValueError("a number beyond 9007199254740991 has no form that is read as the same number everywhere")
    return int(number)
