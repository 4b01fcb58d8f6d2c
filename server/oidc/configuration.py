"""The setting `oidc`: which provider signs people in, and as what this server is known there."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from server.addresses import is_loopback
from store.private_file import read_private_file
from store.problems import KeyProblem

EXAMPLE = 'issuer = "https://login.example.org", client_id = "assent", client_secret_file = "keys/oidc.secret"'
_LABEL_LIMIT = 40


@dataclass(frozen=True)
class OidcSettings:
    """One provider. Nobody gets an account by signing in there, unless `auto_create` says so."""

    issuer: str
    """Its address exactly as it names itself: what it signs must say the same, to the letter."""
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    client_secret_file: Path | None = None
    label: str = ""
    """What people call it: the button says "Sign in with" and this."""
    auto_create: bool = False
    """Whoever signs in there with a verified address of `allowed_domains` gets an account, as a reviewer."""
    allowed_domains: tuple[str, ...] = ()

    @classmethod
    def of(cls, written: object, base: Path) -> "OidcSettings":
        """From a table of assent.toml, or from the same as a JSON object in a text.

        Raises:
            ValueError: with what would be right.
        """
        table = _table(written)
        unknown = sorted(set(table) - set(_FIELDS))
        if unknown:
            raise ValueError(f"{unknown[0]} is not known here; there are: {', '.join(_FIELDS)}")
        missing = [name for name in ("issuer", "client_id") if name not in table]
        if missing:
            raise ValueError(f"{missing[0]} is missing; give for example {EXAMPLE}")
        known: dict[str, Any] = {name: _FIELDS[name](value, base) for name, value in table.items()}
        settings = cls(**known)
        if settings.client_secret is not None and settings.client_secret_file is not None:
            raise ValueError("give client_secret or client_secret_file, not both")
        if settings.auto_create and not settings.allowed_domains:
            raise ValueError('auto_create needs allowed_domains, such as ["example.org"]: or anybody there came in')
        return settings

    @property
    def called(self) -> str:
        """What the page calls the provider."""
        return self.label or urlsplit(self.issuer).hostname or self.issuer

    def secret(self) -> str | None:
        """The client's secret; None for a client that has none and relies on PKCE.

        Raises:
            KeyProblem: the file is missing, empty, or open to others.
        """
        path = self.client_secret_file
        if path is None:
            return self.client_secret
        kept = read_private_file(path, missing=lambda: KeyProblem(f"there is no {path}", _ONE_LINE))
        try:
            secret = kept.decode().strip()
        except UnicodeDecodeError:
            raise KeyProblem(f"{path} is not text in UTF-8", _ONE_LINE) from None
        if not secret or "\n" in secret:
            raise KeyProblem(f"{path} is not one line", _ONE_LINE)
        return secret

    def __str__(self) -> str:
        return json.dumps({"issuer": self.issuer, "client_id": self.client_id})


_ONE_LINE = "Write the client's secret there, as the provider shows it, and nothing else; then chmod 600."


def _table(written: object) -> Mapping[str, Any]:
    if isinstance(written, str):
        try:
            written = json.loads(written)
        except ValueError:
            raise ValueError("in the environment it is a JSON object with the same names") from None
    if not isinstance(written, Mapping):
        raise ValueError(f"give a table, such as {EXAMPLE}")
    return written


def _issuer(value: object, base: Path) -> str:
    issuer = _text(value, base)
    parts = urlsplit(issuer)
    if not is_safe_address(issuer) or parts.query or parts.fragment:
        raise ValueError("the issuer is an https address, exactly as the provider names itself")
    return issuer


def _text(value: object, base: Path) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("give a text in quotes")
    return value.strip()


def _label(value: object, base: Path) -> str:
    return _text(value, base)[:_LABEL_LIMIT]


def _path(value: object, base: Path) -> Path:
    return (base / Path(_text(value, base)).expanduser()).absolute()


def _yes_or_no(value: object, base: Path) -> bool:
    if not isinstance(value, bool):
        raise ValueError("auto_create is true or false, without quotes")
    return value


def _domains(value: object, base: Path) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) and _is_domain(one) for one in value):
        raise ValueError('allowed_domains is a list of what stands after the @, such as ["example.org"]')
    return tuple(one.lower() for one in value)


def _is_domain(text: str) -> bool:
    return bool(text) and not any(character in text for character in "@*/ ") and not text.startswith(".")


_FIELDS: dict[str, Callable[[object, Path], object]] = {
    "issuer": _issuer,
    "client_id": _text,
    "client_secret": _text,
    "client_secret_file": _path,
    "label": _label,
    "auto_create": _yes_or_no,
    "allowed_domains": _domains,
}


def is_safe_address(url: str) -> bool:
    """Whether secrets may go to this address: https, or plain http that cannot leave this machine."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or any(not "!" <= character <= "~" for character in url):
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
