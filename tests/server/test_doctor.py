"""The doctor says which promise holds, what is unsafe and what mends it; it changes nothing and names no secret."""

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from server.cli import run as cli_run
from server.config import Settings
from server.doctor import behind, clock, neighbours, network, place, rows
from server.doctor.checkup import from_inside
from server.doctor.findings import Severity
from server.doctor.promise import ROOT, Access, judged, promise
from server.home import Home
from store.audit.events import Assurance
from store.policy.upstreams import Upstream
from tests.stage import PASSWORD

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
ANA, SERVER, AGENT = 1000, 990, 1001
OWN = Access(me=ANA, home_owner=ANA, owner_name="ana", owner_signs_in=True, readable=("database", "keys"))


@pytest.mark.parametrize(
    ("access", "assurance"),
    [
        (OWN, Assurance.SHARED_USER),
        (replace(OWN, me=AGENT), Assurance.SHARED_USER),
        (replace(OWN, me=AGENT, readable=()), Assurance.SEPARATE_USER),
        (replace(OWN, me=SERVER, home_owner=SERVER, owner_signs_in=False), Assurance.SEPARATE_USER),
        (replace(OWN, me=ROOT, home_owner=SERVER, owner_signs_in=False), Assurance.SEPARATE_USER),
        (replace(OWN, me=ROOT), Assurance.SHARED_USER),
        (replace(OWN, me=ROOT, home_owner=ROOT, owner_signs_in=False), Assurance.SHARED_USER),
    ],
)
def test_the_promise_is_the_weakest_that_holds_for_an_agent_on_this_machine(
    access: Access, assurance: Assurance
) -> None:
    assert promise(access).assurance is assurance


def severities(access: Access) -> dict[str, Severity]:
    return {finding.name: finding.severity for finding in judged(access)}


def test_a_guardrail_is_weak_and_not_unsafe() -> None:
    assert severities(OWN) == {"shared-user": Severity.WEAK}


def test_a_home_that_another_user_can_read_is_unsafe() -> None:
    assert severities(replace(OWN, me=AGENT))["home-readable-by-others"] is Severity.UNSAFE


def test_a_server_that_runs_as_another_user_than_its_home_is_unsafe() -> None:
    assert severities(replace(OWN, server_uid=ROOT))["server-runs-as-another-user"] is Severity.UNSAFE
    assert "server-runs-as-another-user" not in severities(replace(OWN, server_uid=ANA))


def test_a_user_who_can_read_nothing_finds_nothing_wrong() -> None:
    assert severities(replace(OWN, me=AGENT, readable=())) == {}


# A real home


Doctor = Callable[..., tuple[int, dict[str, object]]]


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A home with a person and two agents, and a user without clients."""
    for name in [name for name in os.environ if name.startswith("ASSENT_")]:
        monkeypatch.delenv(name)
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    umask = os.umask(0o077)
    monkeypatch.setattr("sys.stdin.readline", lambda: PASSWORD, raising=False)
    cli_run(["user", "add", "ada", "--password-stdin", "--home", str(home)])
    cli_run(["agent", "add", "orphan", "--home", str(home)])
    cli_run(["agent", "add", "owned", "--owner", "ada", "--home", str(home)])
    os.umask(umask)
    capsys.readouterr()
    return home


def names(home: Path, *, now: datetime | None = None, **settings: object) -> dict[str, Severity]:
    report = from_inside(replace(Settings(Home(home)), **settings), now or datetime.now(UTC))  # type: ignore[arg-type]
    return {finding.name: finding.severity for finding in report.findings}


def test_a_fresh_home_has_no_unsafe_finding_and_names_what_is_weak(own_home: Path) -> None:
    found = names(own_home)

    assert Severity.UNSAFE not in found.values()
    assert {"no-passkey", "no-owner"} <= set(found)


def test_the_command_answers_in_words_and_in_json_and_exits_1_only_when_something_is_unsafe(
    own_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    safe = cli_run(["doctor", "--home", str(own_home), "--json"]), json.loads(capsys.readouterr().out)
    own_home.chmod(0o755)
    unsafe = cli_run(["doctor", "--home", str(own_home)]), capsys.readouterr().out

    assert (safe[0], safe[1]["safe"], safe[1]["promise"]) == (0, True, "shared_user")
    assert {"name", "severity", "what", "why", "mend"} == set(safe[1]["findings"][0])
    assert unsafe[0] == 1
    assert f"unsafe: {own_home} is open to other users (mode 755)." in unsafe[1]
    assert f"mend: chmod 700 {own_home}" in unsafe[1]


def test_looking_changes_nothing(own_home: Path) -> None:
    def everything() -> dict[str, tuple[int, bytes]]:
        return {
            str(path): (path.stat().st_mode, path.read_bytes() if path.is_file() else b"")
            for path in own_home.rglob("*")
        }

    before = everything()
    names(own_home)

    assert everything() == before


def test_without_a_home_none_is_made_and_nothing_is_promised(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = cli_run(["doctor", "--home", str(tmp_path / "none"), "--json"])

    assert (code, json.loads(capsys.readouterr().out)["promise"]) == (0, None)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("name", ["assent.db", "keys", "keys/log.key"])
def test_what_others_can_open_in_the_home_is_unsafe(own_home: Path, name: str) -> None:
    (own_home / name).chmod(0o644)

    found = place.permissions(Home(own_home), None)

    assert [finding.severity for finding in found if str(own_home / name) in finding.what] == [Severity.UNSAFE]


def test_settings_that_others_can_read_are_no_finding(own_home: Path) -> None:
    (own_home / "assent.toml").touch(mode=0o644)
    (own_home / "policy.yaml").touch(mode=0o644)

    assert place.permissions(Home(own_home), None) == []


def test_a_home_in_a_folder_where_anybody_may_rename_it_is_unsafe(own_home: Path) -> None:
    own_home.parent.chmod(0o777)

    assert names(own_home)["replaceable-home"] is Severity.UNSAFE


def test_a_key_beside_the_database_is_weak(own_home: Path) -> None:
    Home(own_home).key_file.write_text("")

    assert [finding.name for finding in place.keys_beside_data(Settings(Home(own_home)))] == ["keys-beside-data"]


def test_a_full_disk_is_said_before_it_is_full(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "LITTLE_ROOM", 1 << 62)

    assert names(own_home)["little-room"] is Severity.WEAK


def test_a_database_that_is_none_is_unsafe(own_home: Path) -> None:
    (own_home / "assent.db").write_bytes(b"not a database, but long enough to be looked at" * 20)

    assert names(own_home)["database-unreadable"] is Severity.UNSAFE


def test_a_clock_behind_the_newest_row_is_unsafe_and_a_small_difference_is_none(own_home: Path) -> None:
    assert names(own_home, now=datetime.now(UTC) - timedelta(hours=2))["clock-set-back"] is Severity.UNSAFE
    assert clock.set_back(NOW + timedelta(seconds=1), NOW) == []
    assert clock.set_back(None, NOW) == []


def test_rows_are_read_while_a_server_writes(own_home: Path) -> None:
    with closing(sqlite3.connect(own_home / "assent.db")) as writer:
        writer.execute("BEGIN IMMEDIATE")
        found = rows.read(own_home / "assent.db", NOW)

    assert (found.reviewers, found.without_passkey, found.without_owner) == (("ada",), ("ada",), ("orphan",))


# Addresses


def test_a_wide_proxy_is_weak_and_one_address_is_not() -> None:
    def of(trusted: str) -> list[str]:
        return [finding.name for finding in network.proxy(Settings(Home(Path("/h")), trusted_proxy=trusted))]

    assert (of("10.0.0.0/8"), of("10.0.0.5"), of("127.0.0.1")) == (["wide-proxy"], [], ["local-proxy"])


def test_who_cannot_be_told_on_a_phone_is_noted_with_what_it_takes() -> None:
    def of(**settings: Any) -> list[str]:
        return [finding.name for finding in network.phones(Settings(Home(Path("/h")), **settings))]

    assert (of(), of(push=False), of(public_url="https://a.example")) == (["no-phones"], ["push-off"], [])


def test_a_certificate_that_is_none_is_unsafe(tmp_path: Path) -> None:
    (tmp_path / "pem").write_text("no certificate")
    settings = Settings(Home(tmp_path), tls_cert=tmp_path / "pem", tls_key=tmp_path / "pem")

    assert [finding.name for finding in network.certificate(settings, NOW)] == ["certificate-unreadable"]


# Other servers


@pytest.mark.parametrize(
    ("file", "text", "others"),
    [
        (
            ".claude.json",
            '{"mcpServers": {"files": {"command": "npx"}, "assent": {"command": "/x/assent"}}}',
            ["files"],
        ),
        (".claude.json", '{"projects": {"/p": {"mcpServers": {"deep": {"url": "https://x"}}}}}', ["deep"]),
        (".cursor/mcp.json", '{"mcpServers": {"mine": {"command": "python", "args": ["/x/assent.py", "stdio"]}}}', []),
        (".vscode/mcp.json", '{"servers": {"shell": {"command": "sh", "env": {"TOKEN": "hush"}}}}', ["shell"]),
        (".codex/config.toml", '[mcp_servers.db]\ncommand = "db"\n[mcp_servers.assent]\nurl = "http://x/mcp"', ["db"]),
        (".gemini/settings.json", '{"theme": "dark"}', []),
    ],
)
def test_other_servers_beside_assent_are_named_and_nothing_else_of_them(
    tmp_path: Path, file: str, text: str, others: list[str]
) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(text)

    found = neighbours.neighbours(neighbours.known_files(tmp_path, tmp_path, {}))

    assert [finding.what for finding in found] == (
        [f"{tmp_path / file} names other MCP servers: {', '.join(others)}."] if others else []
    )
    assert "hush" not in repr(found)


def test_a_file_that_cannot_be_understood_is_noted_without_its_content(tmp_path: Path) -> None:
    (tmp_path / ".claude.json").write_text('{"secret": hush}')

    (found,) = neighbours.neighbours([tmp_path / ".claude.json"])

    assert (found.name, found.severity) == ("client-file-unreadable", Severity.NOTE)
    assert "hush" not in repr(found)


# Upstreams


@pytest.mark.parametrize(
    ("words", "floating"),
    [
        (("npx", "-y", "files"), True),
        (("npx", "-y", "files@latest"), True),
        (("npx", "-y", "@scope/files"), True),
        (("/usr/bin/npx", "@scope/files@1.2.3", "/srv"), False),
        (("uvx", "--from", "mail==1.2", "mail-server"), False),
        (("uvx", "--from", "mail", "mail-server@1"), True),
        (("npx", "./local"), False),
        (("python", "server.py"), False),
        (("npx",), False),
    ],
)
def test_a_package_without_a_version_is_noticed(words: tuple[str, ...], floating: bool) -> None:
    assert behind.is_floating(Upstream("x", command=words[0], args=words[1:])) is floating


def test_upstreams_that_could_be_safer_are_named_and_no_value_of_theirs() -> None:
    found = behind.judged(
        [
            Upstream("files", command="files", env=(("A", "{{env:A}}"), ("B", "hush {{env:B}}"))),
            Upstream("mail", command="npx", args=("mail",)),
            Upstream("far", url="http://far.example/mcp", headers=(("X", "Bearer {{env:C}}"),)),
            Upstream("near", url="http://127.0.0.1:9/mcp"),
            Upstream("safe", url="https://safe.example/mcp"),
        ],
        "assent",
        {"A"},
    )

    assert {finding.name: finding.what for finding in found} == {
        "upstreams-run-as-server": "These upstreams run as assent, like the server: files, mail.",
        "upstreams-not-pinned": "These upstreams run whatever version is the newest: mail.",
        "upstreams-without-tls": "These upstreams are reached by http beyond this machine: far.",
        "upstream-variables": "These variables of upstreams have no value here: B, C.",
    }
    assert "hush" not in repr(found)
    assert behind.judged([Upstream("safe", url="https://safe.example/mcp")], "assent", ()) == []


def test_what_waits_for_a_person_is_said_once_there_is_something() -> None:
    assert behind.waiting(0) == []
    assert [finding.what for finding in behind.waiting(1)] == ["1 definition of upstreams waits for a person."]


def test_the_upstreams_in_force_are_looked_at_and_those_proposed_are_not(own_home: Path) -> None:
    policy = own_home / "policy.yaml"
    policy.write_text("version: 1\nupstreams: {files: {command: files}}\n")
    assert "upstreams-run-as-server" not in names(own_home)
    assert cli_run(["policy", "activate", "--home", str(own_home)]) == 0
    assert names(own_home)["upstreams-run-as-server"] is Severity.WEAK
    assert names(own_home).get("definitions-wait") is None


def test_rules_that_cannot_be_read_are_not_the_doctors_business() -> None:
    assert behind.upstreams("version: 7") == behind.upstreams(None) == ()


def test_a_client_file_with_comments_is_understood(tmp_path: Path) -> None:
    (tmp_path / "mcp.json").write_text('{"servers": {"a": {"command": "x"},}, // ours\n}')

    (found,) = neighbours.neighbours([tmp_path / "mcp.json"])
    assert (found.name, found.mend[:12]) == ("other-servers", "assent adopt")
