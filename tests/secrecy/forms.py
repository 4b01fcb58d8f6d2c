"""The forms in which a secret may lie somewhere, by store/vault/SPEC.md, "Scrubbing"; and looking for them in bytes."""

import base64
import json
from collections.abc import Iterator
from html import escape
from urllib.parse import quote, quote_plus

import markupsafe

SHORTEST = 6
"""Fewer characters would be found anywhere."""


def forms(secret: str) -> dict[str, bytes]:
    """Every form by its name. Some may be alike."""
    value = secret.encode()
    escaped = json.dumps(secret, ensure_ascii=False)[1:-1]
    ascii_only = json.dumps(secret)[1:-1]
    texts = {
        "url": quote(secret, safe=""),
        "url, as forms send it": quote_plus(secret),
        "json": escaped,
        "json in ascii": ascii_only,
        "json with its slashes escaped": escaped.replace("/", "\\/"),
        "json in json": json.dumps(escaped, ensure_ascii=False)[1:-1],
        "hex": value.hex(),
        "hex in capitals": value.hex().upper(),
        "html": escape(secret),
        "html of templates": str(markupsafe.escape(secret)),
        "python": repr(secret)[1:-1],
        "python bytes": repr(value)[2:-1],
    }
    texts |= {f"{name} in small letters": text.lower() for name, text in texts.items() if name.startswith("url")}
    found = {
        "raw": value,
        "utf-16": secret.encode("utf-16-le"),
        **{name: text.encode() for name, text in texts.items()},
    }
    for shift in range(3):
        found[f"base64 after {shift}"] = base64_after(shift, value)
        found[f"url-safe base64 after {shift}"] = base64_after(shift, value).translate(bytes.maketrans(b"+/", b"-_"))
    assert min(map(len, found.values())) >= SHORTEST, "this secret is too short to be looked for"
    return found


def base64_after(shift: int, value: bytes) -> bytes:
    """The base64 characters that `value` alone decides when so many other bytes stand before it."""
    whole = base64.b64encode(bytes(shift) + value)
    return whole[(shift * 8 + 5) // 6 : (shift + len(value)) * 8 // 6]


def found_in(content: bytes, secret: str) -> Iterator[str]:
    """The names of the forms in which `secret` is in these bytes."""
    return (name for name, form in forms(secret).items() if form in content)
