"""What is set about a provider is refused where it would be unsafe, or half."""

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from server.config import load
from server.oidc.configuration import OidcSettings, is_safe_address
from server.problem import UsageProblem
from store.problems import KeyProblem
from tests.repository import ROOT

LEAST = {"issuer": "https://login.example.org", "client_id": "assent"}


def of(**more: Any) -> OidcSettings:
    return OidcSettings.of({**LEAST, **more}, Path("/home"))


def test_an_issuer_and_a_client_are_enough_and_make_nobody_an_account() -> None:
    assert of() == OidcSettings("https://login.example.org", "assent")
    assert of().auto_create is False
    assert of().called == "login.example.org"
    assert of(label="Example").called == "Example"


def test_the_table_of_the_file_and_the_json_of_the_environment_say_the_same(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.mkdir()
    (file / "assent.toml").write_text(
        '[oidc]\nissuer = "https://login.example.org"\nclient_id = "assent"\nclient_secret_file = "s"\n'
        'auto_create = true\nallowed_domains = ["Example.org"]\n'
    )
    written = {**LEAST, "client_secret_file": str(file / "s"), "auto_create": True, "allowed_domains": ["example.org"]}

    settings = load({"home": file}, {}).oidc

    assert settings == OidcSettings(
        "https://login.example.org",
        "assent",
        client_secret_file=file / "s",
        auto_create=True,
        allowed_domains=("example.org",),
    )
    assert load({"home": tmp_path}, {"ASSENT_OIDC": json.dumps(written)}).oidc == settings


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"issuer": "http://login.example.org"}, "https"),
        ({"issuer": "https://login.example.org?x=1"}, "https"),
        ({"issuer": "https://login.example.org#x"}, "https"),
        ({"issuer": "login.example.org"}, "https"),
        ({"issuer": "https://ana@login.example.org"}, "https"),
        ({"issuer": 3}, "quotes"),
        ({"client_id": ""}, "quotes"),
        ({"client_secret": "a", "client_secret_file": "b"}, "not both"),
        ({"auto_create": True}, "allowed_domains"),
        ({"auto_create": "true", "allowed_domains": ["a.example"]}, "without quotes"),
        ({"allowed_domains": "example.org"}, "list"),
        ({"allowed_domains": ["*.example.org"]}, "list"),
        ({"allowed_domains": ["ana@example.org"]}, "list"),
        ({"allowed_domains": [""]}, "list"),
        ({"admin_group": "admins"}, "not known here"),
    ],
)
def test_a_mistake_is_refused_with_what_would_be_right(more: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        of(**more)


@pytest.mark.parametrize("written", [3, [], "issuer", "[]", "{"])
def test_what_is_no_table_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match=r"table|JSON"):
        OidcSettings.of(written, Path("/home"))


@pytest.mark.parametrize("missing", LEAST)
def test_what_is_missing_is_named(missing: str, tmp_path: Path) -> None:
    table = {name: value for name, value in LEAST.items() if name != missing}

    with pytest.raises(UsageProblem, match="ASSENT_OIDC") as refused:
        load({"home": tmp_path}, {"ASSENT_OIDC": json.dumps(table)})

    assert f"{missing} is missing" in refused.value.hint


def test_a_mistake_beside_a_secret_does_not_print_the_secret(tmp_path: Path) -> None:
    table = {"issuer": "http://login.example.org", "client_id": "assent", "client_secret": "do not tell"}

    with pytest.raises(UsageProblem) as refused:
        load({"home": tmp_path}, {"ASSENT_OIDC": json.dumps(table)})

    assert "do not tell" not in refused.value.message + refused.value.hint


def test_the_secret_is_read_from_a_file_of_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "oidc.secret"
    path.write_text("a secret\n")
    settings = OidcSettings("https://login.example.org", "assent", client_secret_file=path)
    path.chmod(0o644)
    with pytest.raises(KeyProblem, match="open to other users"):
        settings.secret()
    path.chmod(0o600)

    assert settings.secret() == "a secret"


@pytest.mark.parametrize(("text", "why"), [(None, "there is no"), ("", "not one line"), ("a\nb", "not one line")])
def test_a_secret_that_is_none_is_refused(tmp_path: Path, text: str | None, why: str) -> None:
    path = tmp_path / "oidc.secret"
    if text is not None:
        path.write_text(text)
        path.chmod(0o600)

    with pytest.raises(KeyProblem, match=why):
        OidcSettings("https://login.example.org", "assent", client_secret_file=path).secret()


@pytest.mark.parametrize("name", [field.name for field in fields(OidcSettings)])
def test_every_part_of_the_setting_is_documented(name: str) -> None:
    assert re.search(rf"(^|`){name}\b", (ROOT / "docs" / "reviewers.md").read_text("utf-8"), re.MULTILINE)


def test_the_secret_stands_in_no_text_about_the_settings() -> None:
    settings = of(client_secret="do not tell")

    assert "do not tell" not in f"{settings} {settings!r}"


@pytest.mark.parametrize(
    "url", ["https://login.example.org/x", "http://127.0.0.1:8080", "http://localhost/x", "http://[::1]:1/"]
)
def test_https_and_this_machine_are_safe(url: str) -> None:
    assert is_safe_address(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://login.example.org", "http://localhost.example.org", "http://127.0.0.1.example.org", "http://10.0.0.1",
        "ftp://127.0.0.1", "file:///etc/passwd", "https://", "https://ana:b@login.example.org", "https://a b.example",
        "https://login.example.org:x", "//login.example.org", "", "https://login.example.org/\n", "https://[::1",
    ],
)  # fmt: skip
def test_everything_else_is_not(url: str) -> None:
    assert not is_safe_address(url)
