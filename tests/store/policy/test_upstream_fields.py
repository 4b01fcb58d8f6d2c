"""The upstreams of a file are read as they stand, or refused with the place of the mistake."""

import pytest

from store.policy.reading import PolicyMistake, read
from store.policy.rules import Place
from store.policy.upstreams import Upstream

WHOLE = """\
version: 1
upstreams:
  files:
    command: npx
    args: ["-y", "server@1", "", " a "]
    env: {TOKEN: "{{env:FILES_TOKEN}}", EMPTY: ""}
    cwd: /srv/data
    timeout: 5m
    idempotency_argument: request_key
  payments:
    url: https://payments.internal:8443/mcp?x=1
    headers: {Authorization: "Bearer {{env:PAY}}", X-Team: red}
    timeout: 90
    idempotency_meta: example.org/request
  mail: {command: mail-server}
"""
COMMAND = "version: 1\nupstreams:\n  a: {{command: x, {}}}\n"
URL = "version: 1\nupstreams:\n  a: {{url: {}}}\n"


def refused(text: str) -> tuple[str, Place | None]:
    with pytest.raises(PolicyMistake) as caught:
        read(text)
    return caught.value.message.partition(": ")[2], caught.value.place


def test_upstreams_are_read_with_all_that_the_file_says() -> None:
    assert read(WHOLE).upstreams == (
        Upstream(
            "files",
            command="npx",
            args=("-y", "server@1", "", " a "),
            env=(("TOKEN", "{{env:FILES_TOKEN}}"), ("EMPTY", "")),
            cwd="/srv/data",
            timeout_seconds=300,
            idempotency_argument="request_key",
        ),
        Upstream(
            "payments",
            url="https://payments.internal:8443/mcp?x=1",
            headers=(("Authorization", "Bearer {{env:PAY}}"), ("X-Team", "red")),
            timeout_seconds=90,
            idempotency_meta="example.org/request",
        ),
        Upstream("mail", command="mail-server", timeout_seconds=60),
    )


def test_an_upstream_is_found_by_its_very_name() -> None:
    policy = read(WHOLE)
    assert policy.upstream("mail") == Upstream("mail", command="mail-server")
    assert policy.upstream("Mail") is None


def test_it_remembers_where_they_stand() -> None:
    places = read(WHOLE).places
    assert (places["upstreams", "files"], places["upstreams", "payments", "url"]) == (Place(3, 3), Place(11, 5))


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("version: 1\nupstreams: []", "upstreams should be fields, such as name: value", Place(2, 12)),
        ("version: 1\nupstreams: {a: x}", "the upstream 'a' should be fields, such as name: value", Place(2, 16)),
        ("version: 1\nupstreams: {A: {command: x}}", "'A' is no name of an upstream", Place(2, 13)),
        ("version: 1\nupstreams: {ask_x: {command: x}}", "'ask_x' is no name of an upstream", Place(2, 13)),
        ("version: 1\nupstreams: {a: {command: x}, a: {command: y}}", "'a' stands here twice", Place(2, 30)),
        (
            "version: 1\nupstreams: {" + ", ".join(f"a{number}: {{command: x}}" for number in range(65)) + "}",
            "there are more than 64 upstreams",
            Place(2, 12),
        ),
        ("version: 1\nupstreams: {a: {}}", "the upstream 'a' should have either a command or a url", Place(2, 16)),
        (COMMAND.format("url: https://x"), "the upstream 'a' should have either a command or a url", Place(3, 6)),
        (COMMAND.format("headers: {}"), "headers has no meaning beside command", Place(3, 19)),
        (URL.format("https://x, env: {}"), "env has no meaning beside url", Place(3, 23)),
        (COMMAND.format("commands: y"), "the upstream 'a' has no field 'commands'", Place(3, 19)),
        (COMMAND.format("args: x"), "args should be a list", Place(3, 25)),
        (
            COMMAND.format("args: [8080]"),
            "args should be a text; in quotes, if it looks like something else",
            Place(3, 26),
        ),
        (COMMAND.format('args: ["a\\nb"]'), "args should be at most 8,000 characters in one line", Place(3, 26)),
        (COMMAND.format("args: ['{{env:A}}']"), "{{env:…}} stands in env and headers only, not in args", Place(3, 26)),
        (COMMAND.format("args: ['{{credential:a}}']"), "{{credential:…}} is not there yet", Place(3, 26)),
        (COMMAND.format("env: {A: '{{credential:a}}'}"), "{{credential:…}} is not there yet", Place(3, 28)),
        (COMMAND.format("env: {A: '{{ credential:a }}'}"), "{{credential:…}} is not there yet", Place(3, 28)),
        (COMMAND.format("env: {A: '{{A}}'}"), "of what stands in {{ }} only {{env:NAME}} is known", Place(3, 28)),
        (COMMAND.format("env: {A: '{{env:A-B}}'}"), "of what stands in {{ }} only {{env:NAME}} is known", Place(3, 28)),
        (
            COMMAND.format("env: {A: 'x{{env:ASSENT_VAULT_PASSPHRASE}}'}"),
            "variables that begin with ASSENT_ are Assent's own, and no upstream is given them",
            Place(3, 28),
        ),
        (
            URL.format("https://x, headers: {A: '{{ env:assent_token }}'}"),
            "variables that begin with ASSENT_ are Assent's own, and no upstream is given them",
            Place(3, 36),
        ),
        (COMMAND.format("env: {A=B: x}"), "'A=B' is no name of an environment variable", Place(3, 25)),
        (
            COMMAND.format("env: {A: 5}"),
            "A of env should be a text; in quotes, if it looks like something else",
            Place(3, 28),
        ),
        (COMMAND.format("cwd: data"), "cwd should be a whole path, from the root on", Place(3, 24)),
        (COMMAND.format("timeout: 0"), "timeout should be a number from 1 to 3,600", Place(3, 28)),
        (COMMAND.format("timeout: 2h"), "timeout of an upstream should be 1s to 1h, such as 90s or 5m", Place(3, 28)),
        ("version: 1\nupstreams: {a: {command: ''}}", "command is empty", Place(2, 26)),
        (
            URL.format("ftp://x"),
            "url should be an http or https address, such as https://tools.example.org/mcp",
            Place(3, 12),
        ),
        (
            URL.format("https:///mcp"),
            "url should be an http or https address, such as https://tools.example.org/mcp",
            Place(3, 12),
        ),
        (URL.format("'https://[x/'"), "url is no address", Place(3, 12)),
        (URL.format("https://x:99999/"), "url is no address", Place(3, 12)),
        (URL.format("https://user:word@x/"), "url should have no user, password or fragment", Place(3, 12)),
        (URL.format("https://x/#a"), "url should have no user, password or fragment", Place(3, 12)),
        (URL.format("'https://x/{{credential:a}}'"), "{{credential:…}} is not there yet", Place(3, 12)),
        (URL.format("https://x, headers: {Host: y}"), "the header Host is set by the protocol", Place(3, 33)),
        (
            URL.format("https://x, headers: {mcp-SESSION-id: y}"),
            "the header mcp-SESSION-id is set by the protocol",
            Place(3, 33),
        ),
        (URL.format("https://x, headers: {A: y, a: z}"), "the header a stands here twice", Place(3, 39)),
        (URL.format("https://x, headers: {'A B': y}"), "'A B' is no name of a header", Place(3, 33)),
        (URL.format("https://x, headers: {A: é}"), "the header A should be ASCII", Place(3, 36)),
        (
            URL.format('https://x, headers: {A: "b\\r\\nC: d"}'),
            "A of headers should be at most 8,000 characters in one line",
            Place(3, 36),
        ),
    ],
)
def test_a_mistake_refuses_the_file_with_its_place(text: str, message: str, place: Place) -> None:
    assert refused(text) == (message, place)
