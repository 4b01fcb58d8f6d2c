"""The settings of one process, frozen. Flags win over `ASSENT_*`, those over assent.toml, those over the defaults.

What is refused here never starts: a listener that the network can reach without TLS would show cards, passwords and
tokens to whoever listens on the way.
"""

import difflib
import ipaddress
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from server.addresses import LOOPBACK_NAMES, ONE_MACHINE, PAGE_NAME, WILDCARDS, bracketed, is_loopback
from server.clients import Clients
from server.home import Home, default_home
from server.oidc.configuration import OidcSettings
from server.problem import UsageProblem
from server.push.contact import contact_of


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class VaultKey(StrEnum):
    FILE = "file"
    PASSPHRASE = "passphrase"


@dataclass(frozen=True)
class Settings:
    home: Home
    host: str = "127.0.0.1"
    port: int = 7420
    database: str = ""
    public_url: str | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    trusted_proxy: str | None = None
    log_level: LogLevel = LogLevel.INFO
    vault_key: VaultKey = VaultKey.FILE
    vault_passphrase_file: Path | None = None
    tasks: bool = True
    clients: Clients = field(default_factory=Clients)
    requests_per_minute: int = 120
    requests_per_hour: int = 1200
    policy: Path | None = None
    push: bool = True
    push_contact: str | None = None
    oidc: OidcSettings | None = None
    upstream_processes: int = 32
    upstream_idle_seconds: int = 600
    upstream_result_bytes: int = 4 << 20
    upstream_line_bytes: int = 8 << 20

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.home.database_file}"

    @property
    def policy_file(self) -> Path:
        """Where the rules are proposed. What is in force is a copy that somebody activated."""
        return self.policy or self.home.policy_file

    @property
    def on_loopback(self) -> bool:
        return is_loopback(self.host)

    @property
    def speaks_tls(self) -> bool:
        return self.tls_cert is not None

    @property
    def page_url(self) -> str:
        """Where people open the review site, without a trailing slash."""
        if self.public_url is not None:
            return self.public_url
        return f"{'https' if self.speaks_tls else 'http'}://{PAGE_NAME}:{self.port}"

    @property
    def endpoint(self) -> str:
        """Where a program on this machine reaches the server."""
        if self.speaks_tls:
            # A certificate names the public host, if it names anything: the loopback address would not match it.
            return self.public_url or f"https://localhost:{self.port}"
        return f"http://{bracketed('127.0.0.1' if self.host in WILDCARDS else self.host)}:{self.port}"

    @property
    def accepted_hosts(self) -> frozenset[str]:
        """Every Host header that is answered. Loopback names are safe: no name of a stranger's is among them."""
        local = {f"{name}:{self.port}" for name in LOOPBACK_NAMES}
        if self.host not in WILDCARDS:
            local.add(f"{bracketed(self.host)}:{self.port}")
        return frozenset(local | {self.canonical_host})

    @property
    def accepted_origins(self) -> frozenset[str]:
        """The origins whose pages may call `/mcp`: those that nobody but this server can answer under.

        Another port of this machine is somebody else's. So is one of its names at our port, where we do not listen on
        every address that the name may mean.
        """
        here = is_loopback(urlsplit(self.page_url).hostname or "")
        if not here or self.host not in ONE_MACHINE:
            # People come from elsewhere, to whose browsers the names of this machine mean their own.
            return frozenset({self.page_url})
        scheme = "https" if self.speaks_tls else "http"
        hosts = {*LOOPBACK_NAMES, bracketed(self.host)}
        return frozenset({self.page_url} | {f"{scheme}://{host}:{self.port}" for host in hosts})

    @property
    def canonical_host(self) -> str:
        """The host under which pages are shown; the others redirect to it."""
        return urlsplit(self.page_url).netloc


def load(flags: Mapping[str, object], environ: Mapping[str, str]) -> Settings:
    """Settings from all four sources. `flags` maps names of settings to values, None for a flag that was not given.

    Raises UsageProblem for a value that cannot be, an unknown name in assent.toml, or a combination that is not safe.
    """
    home = Home(_path(flags.get("home") or environ.get("ASSENT_HOME") or default_home(), Path.cwd()))
    known = _from_file(home)
    for name in PARSERS:
        variable = environ.get(f"ASSENT_{name.upper()}")
        if variable:
            known[name] = _parsed(name, variable, f"ASSENT_{name.upper()}", Path.cwd())
        if flags.get(name) is not None:
            known[name] = _parsed(name, flags[name], f"--{name.replace('_', '-')}", Path.cwd())
    settings = Settings(home=home, **known)
    _refuse_half_tls(settings)
    _refuse_plain_public_url(settings)
    _refuse_exposure(settings)
    return settings


def _from_file(home: Home) -> dict[str, Any]:
    try:
        text = home.config_file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageProblem(
            f"{home.config_file} cannot be read: {error}", "make it a UTF-8 file that you own"
        ) from error
    try:
        written = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageProblem(f"{home.config_file} is not TOML: {error}", "write lines like: port = 7420") from error
    for name in written:
        if name not in PARSERS:
            close = difflib.get_close_matches(name, PARSERS, n=1)
            hint = f"did you mean {close[0]}?" if close else f"the settings are: {', '.join(PARSERS)}"
            raise UsageProblem(f"{home.config_file} has an unknown setting: {name}", hint)
    return {name: _parsed(name, value, f"{name} in {home.config_file}", home.path) for name, value in written.items()}


def _parsed(name: str, value: object, source: str, base: Path) -> object:
    try:
        return PARSERS[name](value, base)
    except ValueError as error:
        # A table may hold a secret, and what is printed here ends in logs.
        shown = f": {value}" if name != "oidc" else ""
        raise UsageProblem(f"{source} is not usable{shown}", str(error)) from error


def _path(value: object, base: Path) -> Path:
    return (base / Path(str(value)).expanduser()).absolute()


def _existing_file(value: object, base: Path) -> Path:
    path = _path(value, base)
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    return path


def _host(value: object, base: Path) -> str:
    host = str(value).strip().strip("[]")
    if not host or "/" in host:
        raise ValueError("give an address to listen on, such as 127.0.0.1, without a scheme or a port")
    return host


def _port(value: object, base: Path) -> int:
    try:
        port = int(str(value))
    except ValueError:
        port = -1
    if not 0 <= port <= 65535:
        raise ValueError("give a number from 1 to 65535, or 0 for any free port")
    return port


def _rate(value: object, base: Path) -> int:
    try:
        rate = int(str(value))
    except ValueError:
        rate = 0
    if rate < 1:
        raise ValueError("give the number of new requests that an agent may post in that time, at least 1")
    return rate


def _whole(least: int, most: int, what: str) -> Callable[[object, Path], int]:
    def parsed(value: object, base: Path) -> int:
        try:
            number = int(str(value))
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            raise ValueError(f"give {what}, from {least:,} to {most:,}")
        return number

    return parsed


def _text(value: object, base: Path) -> str:
    if not isinstance(value, str):
        raise ValueError("give a text in quotes")
    return value


def _origin(value: object, base: Path) -> str:
    parts = urlsplit(str(value).rstrip("/"))
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path or parts.query or parts.username:
        raise ValueError("give scheme, host and port only, such as https://assent.example.org")
    # Browsers leave the scheme's own port out of Host, and Host is compared exactly.
    own_port = {"http": 80, "https": 443}[parts.scheme]
    host = bracketed((parts.hostname or "").lower())
    return f"{parts.scheme}://{host}" if parts.port in (None, own_port) else f"{parts.scheme}://{host}:{parts.port}"


def _proxy(value: object, base: Path) -> str:
    addresses = [part.strip() for part in str(value).split(",")]
    for address in addresses:
        try:
            network = ipaddress.ip_network(address)
        except ValueError:
            raise ValueError("give the proxy's address or network, such as 10.0.0.5 or 10.0.0.0/24") from None
        if network.prefixlen == 0:
            raise ValueError("that is everybody, and everybody could then say to be anybody; give the proxy's address")
    return ",".join(addresses)


def _log_level(value: object, base: Path) -> LogLevel:
    try:
        return LogLevel(str(value).lower())
    except ValueError:
        raise ValueError(f"the levels are: {', '.join(LogLevel)}") from None


def _vault_key(value: object, base: Path) -> VaultKey:
    try:
        return VaultKey(str(value).lower())
    except ValueError:
        raise ValueError(f"the vault's key comes from one of: {', '.join(VaultKey)}") from None


def _switch(value: object, base: Path) -> bool:
    known = {"true": True, "false": False}
    try:
        return known[str(value).lower()]
    except KeyError:
        raise ValueError("give true or false") from None


def _clients(value: object, base: Path) -> Clients:
    return Clients.of(value)


PARSERS: dict[str, Callable[[object, Path], object]] = {
    "host": _host,
    "port": _port,
    "database": _text,
    "public_url": _origin,
    "tls_cert": _existing_file,
    "tls_key": _existing_file,
    "trusted_proxy": _proxy,
    "log_level": _log_level,
    "vault_key": _vault_key,
    "vault_passphrase_file": _path,
    "tasks": _switch,
    "clients": _clients,
    "requests_per_minute": _rate,
    "requests_per_hour": _rate,
    "policy": _path,
    "push": _switch,
    "push_contact": contact_of,
    "oidc": OidcSettings.of,
    "upstream_processes": _whole(1, 1_000, "how many upstreams may run as processes at once"),
    "upstream_idle_seconds": _whole(1, 86_400, "after how many seconds without a call an upstream is let go of"),
    "upstream_result_bytes": _whole(1 << 10, 64 << 20, "the longest result of an upstream that agents get, in bytes"),
    "upstream_line_bytes": _whole(1 << 10, 256 << 20, "the longest message that is read from an upstream, in bytes"),
}
assert set(PARSERS) | {"home"} == {field.name for field in fields(Settings)}


def _refuse_half_tls(settings: Settings) -> None:
    if (settings.tls_cert is None) != (settings.tls_key is None):
        missing = "--tls-key" if settings.tls_key is None else "--tls-cert"
        raise UsageProblem("TLS needs a certificate and its key", f"give {missing} too, or neither")


def _refuse_plain_public_url(settings: Settings) -> None:
    if settings.public_url is None:
        return
    parts = urlsplit(settings.public_url)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise UsageProblem(
            f"the public address {settings.public_url} is without TLS",
            "make it https://…: browsers hold no passkeys for plain http, and passwords would travel in clear",
        )
    if parts.scheme == "https" and not settings.speaks_tls and settings.trusted_proxy is None:
        raise UsageProblem(
            f"the public address {settings.public_url} is https, but nothing here speaks TLS",
            "give --tls-cert and --tls-key, or name the proxy that does with --trusted-proxy",
        )


def _refuse_exposure(settings: Settings) -> None:
    if settings.on_loopback:
        return
    if settings.public_url is None or not settings.public_url.startswith("https://"):
        raise UsageProblem(
            f"listening on {settings.host} opens Assent to the network, which is done only under an https address",
            "give --public-url https://… with --tls-cert and --tls-key or with --trusted-proxy; or leave --host out",
        )
