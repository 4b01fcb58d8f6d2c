"""The upstreams of a file, from YAML. Pure."""

import re
from urllib.parse import urlsplit

from ruamel.yaml.nodes import Node

from store.policy.rules import Path, Place
from store.policy.upstreams import ENVIRONMENT, NAME_RULE, Upstream, is_upstream_name
from store.policy.yaml_nodes import (
    PolicyMistake,
    fields_of,
    is_number,
    items_of,
    number_of,
    place_of,
    raw_text_of,
    text_of,
)

MOST_UPSTREAMS = 64
MOST_VALUES = 200
LONGEST_VALUE = 8_000
LONGEST_TIMEOUT = 3600
_COMMAND_KEYS = ("command", "args", "env", "cwd")
_URL_KEYS = ("url", "headers")
UPSTREAM_KEYS = (*_COMMAND_KEYS, *_URL_KEYS, "timeout", "idempotency_meta", "idempotency_argument")
_OWN = "ASSENT_"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_TIMEOUT = re.compile(r"([0-9]{1,5}) ?(s|m|h)", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_OURS = frozenset(
    (
        *("accept", "connection", "content-length", "content-type", "host", "keep-alive", "te", "trailer", "upgrade"),
        *("last-event-id", "mcp-method", "mcp-name", "mcp-protocol-version", "mcp-session-id", "transfer-encoding"),
    )
)
"""Headers that the protocol itself sets."""


def upstreams_of(node: Node, places: dict[Path, Place]) -> tuple[Upstream, ...]:
    """The upstreams, in the file's order; where they stand is added to `places`.

    Raises:
        PolicyMistake
    """
    fields = fields_of(node, "upstreams", None)
    if len(fields) > MOST_UPSTREAMS:
        raise PolicyMistake(f"there are more than {MOST_UPSTREAMS} upstreams", place_of(node))
    found = []
    for name, (key, value) in fields.items():
        places["upstreams", name] = place_of(key)
        _require_name(name, place_of(key))
        found.append(_upstream(name, value, places))
    return tuple(found)


def _require_name(name: str, place: Place) -> None:
    if not is_upstream_name(name):
        says = f"{name!r} is no name of an upstream"
        raise PolicyMistake(says, place, f"Use {NAME_RULE}; ask and ask_ are taken.")


def _upstream(name: str, node: Node, places: dict[Path, Place]) -> Upstream:
    what = f"the upstream {name!r}"
    found = fields_of(node, what, UPSTREAM_KEYS)
    places |= {("upstreams", name, field): place_of(key) for field, (key, _) in found.items()}
    given = {field: value for field, (_, value) in found.items()}
    if ("command" in given) == ("url" in given):
        raise PolicyMistake(
            f"{what} should have either a command or a url", place_of(node), "A command is run; a url is called."
        )
    ours, others = (_COMMAND_KEYS, _URL_KEYS) if "command" in given else (_URL_KEYS, _COMMAND_KEYS)
    if needless := next((field for field in others if field in given), None):
        raise PolicyMistake(f"{needless} has no meaning beside {ours[0]}", places["upstreams", name, needless])
    return Upstream(
        name=name,
        command=_line(given["command"], "command") if "command" in given else None,
        args=tuple(_line(one, "args", empty=True) for one in _items(given["args"], "args")) if "args" in given else (),
        env=_pairs(given["env"], "env") if "env" in given else (),
        cwd=_folder(given["cwd"]) if "cwd" in given else None,
        url=_address(given["url"]) if "url" in given else None,
        headers=_pairs(given["headers"], "headers") if "headers" in given else (),
        timeout_seconds=_timeout(given["timeout"]) if "timeout" in given else Upstream.timeout_seconds,
        idempotency_meta=_text(given, "idempotency_meta"),
        idempotency_argument=_text(given, "idempotency_argument"),
    )


def _text(given: dict[str, Node], field: str) -> str | None:
    return text_of(given[field], field) if field in given else None


def _items(node: Node, what: str) -> list[Node]:
    items = items_of(node, what)
    if len(items) > MOST_VALUES:
        raise PolicyMistake(f"{what} should have at most {MOST_VALUES}", place_of(node))
    return items


def _line(node: Node, what: str, *, empty: bool = False) -> str:
    value = raw_text_of(node, what, LONGEST_VALUE)
    if not value and not empty:
        raise PolicyMistake(f"{what} is empty", place_of(node))
    _refuse_credential(value, node)
    if ENVIRONMENT.search(value):
        # What is on a command line or in an address is seen by every process, and by whoever reads logs.
        raise PolicyMistake(f"{{{{env:…}}}} stands in env and headers only, not in {what}", place_of(node))
    return value


def _pairs(node: Node, what: str) -> tuple[tuple[str, str], ...]:
    fields = fields_of(node, what, None)
    if len(fields) > MOST_VALUES:
        raise PolicyMistake(f"{what} should have at most {MOST_VALUES}", place_of(node))
    form = _VARIABLE if what == "env" else _HEADER
    seen: set[str] = set()
    for name, (key, value) in fields.items():
        if not form.fullmatch(name):
            raise PolicyMistake(f"{name!r} is no name of {_called(what)}", place_of(key))
        if what == "headers" and name.lower() in _OURS:
            raise PolicyMistake(f"the header {name} is set by the protocol", place_of(key))
        if what == "headers" and name.lower() in seen:
            raise PolicyMistake(f"the header {name} stands here twice", place_of(key))
        seen.add(name.lower())
        text = raw_text_of(value, f"{name} of {what}", LONGEST_VALUE)
        _refuse_credential(text, value)
        if "{{" in ENVIRONMENT.sub("", text):
            raise PolicyMistake("of what stands in {{ }} only {{env:NAME}} is known", place_of(value))
        if any(variable.upper().startswith(_OWN) for variable in ENVIRONMENT.findall(text)):
            # Among them is the passphrase of the keys.
            raise PolicyMistake(
                f"variables that begin with {_OWN} are Assent's own, and no upstream is given them", place_of(value)
            )
        if what == "headers" and not text.isascii():
            raise PolicyMistake(f"the header {name} should be ASCII", place_of(value))
    return tuple((name, raw_text_of(value, what, LONGEST_VALUE)) for name, (_, value) in fields.items())


def _called(what: str) -> str:
    return "an environment variable" if what == "env" else "a header"


def _refuse_credential(value: str, node: Node) -> None:
    if "{{credential:" in value.replace(" ", ""):
        raise PolicyMistake(
            "{{credential:…}} is not there yet",
            place_of(node),
            "Put the secret into the server's environment, and write {{env:NAME}} in env or headers.",
        )


def _folder(node: Node) -> str:
    value = _line(node, "cwd")
    if not (value.startswith("/") or re.match(r"[A-Za-z]:[\\/]", value)):
        raise PolicyMistake("cwd should be a whole path, from the root on", place_of(node))
    return value


def _address(node: Node) -> str:
    value = _line(node, "url")
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        raise PolicyMistake("url is no address", place_of(node)) from None
    if not good or not value.isascii() or " " in value:
        raise PolicyMistake(
            "url should be an http or https address, such as https://tools.example.org/mcp", place_of(node)
        )
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise PolicyMistake(
            "url should have no user, password or fragment", place_of(node), "Secrets belong into headers."
        )
    return value


def _timeout(node: Node) -> int:
    if is_number(node):
        return number_of(node, "timeout", 1, LONGEST_TIMEOUT)
    match = _TIMEOUT.fullmatch(text_of(node, "timeout"))
    seconds = 0 if match is None else int(match[1]) * _SECONDS[match[2]]
    if not 1 <= seconds <= LONGEST_TIMEOUT:
        raise PolicyMistake("timeout of an upstream should be 1s to 1h, such as 90s or 5m", place_of(node))
    return seconds
