"""Settings come from four sources in a fixed order, and what would be unsafe is refused before anything starts."""

from pathlib import Path

import pytest

from server.config import PARSERS, LogLevel, Settings, load
from server.home import Home, default_home
from server.problem import UsageProblem
from store.asking import Limits


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def tls(tmp_path: Path) -> dict[str, str]:
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text("")
    return {"tls_cert": str(tmp_path / "cert.pem"), "tls_key": str(tmp_path / "key.pem")}


def test_without_any_source_the_defaults_hold(home: Path) -> None:
    assert load({"home": home}, {}) == Settings(home=Home(home))


def test_the_file_wins_over_a_default_the_environment_over_the_file_and_a_flag_over_both(home: Path) -> None:
    (home / "assent.toml").write_text('port = 1001\nlog_level = "debug"\nhost = "localhost"\n')
    environ = {"ASSENT_PORT": "1002", "ASSENT_LOG_LEVEL": "error"}

    settings = load({"home": home, "port": 1003, "host": None}, environ)

    assert (settings.port, settings.log_level, settings.host) == (1003, LogLevel.ERROR, "localhost")


def test_an_empty_variable_is_no_setting(home: Path) -> None:
    assert load({"home": home}, {"ASSENT_PORT": ""}).port == 7420


def test_the_home_comes_from_the_flag_then_the_environment_then_the_users_data_folder(home: Path) -> None:
    assert load({"home": home}, {"ASSENT_HOME": "/elsewhere"}).home == Home(home)
    assert load({}, {"ASSENT_HOME": str(home)}).home == Home(home)
    assert load({}, {}).home == Home(default_home())


@pytest.mark.parametrize("name", PARSERS)
def test_every_setting_can_be_given_by_the_environment(name: str, home: Path, tls: dict[str, str]) -> None:
    values = {
        "host": "localhost",
        "port": "1",
        "database": "sqlite:////x.db",
        "public_url": "https://a.example",
        "trusted_proxy": "10.0.0.1",
        "log_level": "error",
        "vault_key": "passphrase",
        "vault_passphrase_file": "/words",
        "requests_per_minute": "7",
        "requests_per_hour": "70",
        "upstream_processes": "3",
        "upstream_idle_seconds": "60",
        "upstream_result_bytes": "1048576",
        "upstream_line_bytes": "2097152",
        "policy": "/rules.yaml",
        "tasks": "False",
        "push": "False",
        "push_contact": "mailto:ops@a.example",
        "clients": "cursor=55,my-agent=forever",
        "oidc": '{"issuer": "https://a.example", "client_id": "assent"}',
        **tls,
    }
    environ = {f"ASSENT_{key.upper()}": value for key, value in values.items()}

    assert str(getattr(load({"home": home}, environ), name)) == values[name]


def test_a_path_in_the_file_starts_at_the_home(home: Path, tls: dict[str, str]) -> None:
    (home / "assent.toml").write_text('tls_cert = "cert.pem"\ntls_key = "key.pem"\n')

    assert load({"home": home}, {}).tls_cert == home / "cert.pem"


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("prot = 1", "unknown setting: prot", "did you mean port?"),
        ("zzz = 1", "unknown setting: zzz", "the settings are: host, port"),
        ("port = ", "is not TOML", "port = 7420"),
        ('port = "many"', "port in", "a number from 1 to 65535"),
        ("database = 3", "database in", "a text in quotes"),
        ("requests_per_hour = 0", "requests_per_hour in", "at least 1"),
        ("upstream_processes = 0", "upstream_processes in", "at once, from 1 to 1,000"),
        ("upstream_idle_seconds = 0.5", "upstream_idle_seconds in", "from 1 to 86,400"),
        ("upstream_result_bytes = 100", "upstream_result_bytes in", "in bytes, from 1,024 to 67,108,864"),
        ('upstream_line_bytes = "8 MiB"', "upstream_line_bytes in", "in bytes, from 1,024 to 268,435,456"),
        ('log_level = "loud"', "log_level in", "debug, info, warning, error"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_what_would_be_right(home: Path, text: str, said: str, hint: str) -> None:
    (home / "assent.toml").write_text(text)

    with pytest.raises(UsageProblem) as refused:
        load({"home": home}, {})

    assert said in refused.value.message
    assert hint in refused.value.hint


@pytest.mark.parametrize("port", ["-1", "65536", "x", "1.5"])
def test_what_is_no_port_is_refused(home: Path, port: str) -> None:
    with pytest.raises(UsageProblem, match="--port is not usable"):
        load({"home": home, "port": port}, {})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "localhost", "::1", "assent.localhost"])
def test_loopback_needs_no_tls(home: Path, host: str) -> None:
    assert load({"home": home, "host": host}, {}).on_loopback


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "assent.example.org", "localhost.example.org"])
@pytest.mark.parametrize("public_url", [None, "http://localhost:7420"])
def test_anything_but_loopback_without_an_https_address_is_refused(
    home: Path, host: str, public_url: str | None
) -> None:
    with pytest.raises(UsageProblem, match="opens Assent to the network"):
        load({"home": home, "host": host, "public_url": public_url}, {})


def test_beyond_loopback_an_own_certificate_will_do(home: Path, tls: dict[str, str]) -> None:
    settings = load({"home": home, "host": "0.0.0.0", "public_url": "https://A.example:443/", **tls}, {})

    assert (settings.page_url, settings.canonical_host) == ("https://a.example", "a.example")
    assert settings.endpoint == "https://a.example"


def test_beyond_loopback_a_named_proxy_will_do(home: Path) -> None:
    flags = {"home": home, "host": "0.0.0.0", "public_url": "https://a.example", "trusted_proxy": "10.0.0.5"}

    settings = load(flags, {})

    assert (settings.page_url, settings.endpoint) == ("https://a.example", "http://127.0.0.1:7420")


def test_an_https_address_that_nobody_serves_is_refused(home: Path) -> None:
    with pytest.raises(UsageProblem, match="nothing here speaks TLS"):
        load({"home": home, "public_url": "https://a.example"}, {})


def test_a_public_address_without_tls_is_refused(home: Path) -> None:
    with pytest.raises(UsageProblem, match="without TLS"):
        load({"home": home, "public_url": "http://a.example"}, {})


@pytest.mark.parametrize("url", ["a.example", "ftp://a.example", "https://a.example/path", "https://me@a.example"])
def test_a_public_address_is_scheme_host_and_port(home: Path, url: str) -> None:
    with pytest.raises(UsageProblem, match="public-url is not usable"):
        load({"home": home, "public_url": url}, {})


@pytest.mark.parametrize("given", ["tls_cert", "tls_key"])
def test_half_of_a_certificate_is_refused(home: Path, tls: dict[str, str], given: str) -> None:
    with pytest.raises(UsageProblem, match="a certificate and its key"):
        load({"home": home, given: tls[given]}, {})


def test_a_certificate_that_is_not_there_is_refused(home: Path) -> None:
    with pytest.raises(UsageProblem, match="tls-cert is not usable"):
        load({"home": home, "tls_cert": "nowhere.pem"}, {})


def test_a_proxy_is_named_by_address_never_by_a_wildcard(home: Path) -> None:
    with pytest.raises(UsageProblem, match="trusted-proxy is not usable"):
        load({"home": home, "trusted_proxy": "*"}, {})


def test_on_loopback_three_names_are_accepted_and_the_page_has_its_own(home: Path) -> None:
    settings = load({"home": home, "port": 8000}, {})

    assert settings.accepted_hosts == {"127.0.0.1:8000", "localhost:8000", "assent.localhost:8000"}
    assert settings.page_url == "http://assent.localhost:8000"
    assert settings.endpoint == "http://127.0.0.1:8000"


def test_pages_may_call_from_where_only_this_server_can_be(home: Path) -> None:
    settings = load({"home": home, "port": 8000}, {})

    assert settings.accepted_origins == {f"http://{host}" for host in settings.accepted_hosts}


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "0.0.0.0", "192.0.2.1", "127.0.0.2"],
)
def test_for_who_comes_from_elsewhere_no_name_of_this_machine_is_an_origin_of_ours(
    home: Path, tls: dict[str, str], host: str
) -> None:
    flags = {"host": host, "port": 8000, "public_url": "https://a.example"}
    settings = load({"home": home, **tls, **flags}, {})

    assert settings.accepted_origins == {"https://a.example"}


def test_a_name_of_this_machine_that_another_program_may_answer_under_is_no_origin_of_ours(home: Path) -> None:
    settings = load({"home": home, "port": 8000, "host": "127.0.0.2"}, {})

    assert settings.accepted_origins == {settings.page_url}


def test_behind_a_public_address_its_host_is_accepted_too(home: Path) -> None:
    settings = load({"home": home, "public_url": "https://a.example:8443", "trusted_proxy": "127.0.0.1"}, {})

    assert settings.canonical_host == "a.example:8443"
    assert "a.example:8443" in settings.accepted_hosts
    assert "a.example" not in settings.accepted_hosts


def test_the_rates_are_those_of_the_store_unless_set(home: Path) -> None:
    settings = load({"home": home}, {})
    assert (
        Limits(requests_per_minute=settings.requests_per_minute, requests_per_hour=settings.requests_per_hour)
        == Limits()
    )
