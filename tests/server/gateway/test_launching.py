"""What the policy says of starting and reaching an upstream, and what comes of it."""

from pathlib import Path

import pytest

from server.gateway.launching import Endpoint, Launch, endpoint, launch
from server.gateway.problems import Unavailable
from store.policy.upstreams import Upstream

HERE = {"PATH": "/bin", "HOME": "/home/a", "TOKEN": "s3cret-value", "ASSENT_TOKEN": "ast_x", "LANG": "() { evil; }"}


def test_a_process_gets_what_the_policy_gives_it_and_a_few_names_of_ours() -> None:
    up = Upstream(
        "up", command="run", args=("-x", "{{env:TOKEN}}"), env=(("KEY", "a {{env:TOKEN}} b"), ("PATH", "/usr"))
    )
    assert launch(up, HERE, Path("/srv/up")) == Launch(
        command=("run", "-x", "{{env:TOKEN}}"),
        environment={"PATH": "/usr", "HOME": "/home/a", "KEY": "a s3cret-value b"},
        folder=Path("/srv/up"),
        secrets=("a s3cret-value b", "s3cret-value"),
    )


def test_a_process_works_where_the_policy_says() -> None:
    assert launch(Upstream("up", command="run", cwd="/data"), HERE, Path("/srv/up")).folder == Path("/data")


def test_headers_are_filled_in_and_kept_out_of_what_is_printed() -> None:
    up = Upstream("up", url="https://up.example/mcp", headers=(("Authorization", "Bearer {{env:TOKEN}}"),))
    found = endpoint(up, HERE)
    assert found == Endpoint(
        "https://up.example/mcp",
        {"Authorization": "Bearer s3cret-value"},
        ("Bearer s3cret-value", "s3cret-value", "Bearer"),
    )
    assert "s3cret" not in repr(found)


def test_a_variable_that_is_not_set_is_named() -> None:
    up = Upstream("up", url="https://up.example/mcp", headers=(("X-Key", "{{env:MISSING}}"),))
    with pytest.raises(Unavailable, match="the header X-Key takes the variable MISSING, which is not set"):
        endpoint(up, HERE)


def test_a_key_of_several_lines_reaches_a_process() -> None:
    up = Upstream("up", command="run", env=(("KEY", "{{env:PEM}}"),))
    assert launch(up, {"PEM": "-----BEGIN\nabc\n"}, Path("/srv")).environment == {"KEY": "-----BEGIN\nabc\n"}


def test_a_value_with_a_nul_starts_nothing() -> None:
    with pytest.raises(Unavailable, match="env KEY takes a value with a NUL in it"):
        launch(Upstream("up", command="run", env=(("KEY", "{{env:K}}"),)), {"K": "a\0b"}, Path("/srv"))


def test_a_value_of_several_lines_begins_no_further_header() -> None:
    up = Upstream("up", url="https://up.example/mcp", headers=(("X-Key", "{{env:LINES}}"),))
    with pytest.raises(Unavailable, match="the header X-Key takes a value of more than one line"):
        endpoint(up, {**HERE, "LINES": "a\r\nX-Other: b"})
