"""What the review site must know of its own address, decided once when the process starts."""

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit


@dataclass(frozen=True)
class SiteSettings:
    """The site's own address, and which other addresses it answers under."""

    public_url: str
    """Where people reach the site: scheme, host and port, without a path. Passkeys are bound to its host."""
    hosts: frozenset[str]
    """Every `Host` header that is answered, in lower case, with the port unless it is the scheme's own."""
    canonical_host: str | None
    """Pages opened under another accepted host are redirected to this one; None redirects nothing."""
    secure_cookies: bool
    """True behind TLS: cookies are marked Secure and named with the `__Host-` prefix."""
    version: str
    password_over_plain_http_ok: bool
    """True lets passwords travel over plain HTTP beyond this machine. Only for networks that encrypt by themselves."""
    policy_file: Path | None = None
    """Where rules are proposed; None: nowhere."""
    push_key: str | None = None
    """The public key that browsers subscribe to notifications with, as base64url; None where none are sent."""

    @property
    def origin(self) -> str:
        """The `Origin` header that browsers send from the site's own pages."""
        parts = urlsplit(self.public_url)
        return f"{parts.scheme}://{parts.netloc}".lower()

    @property
    def public_host(self) -> str:
        """Host and port of `public_url`, as a `Host` header carries them."""
        return urlsplit(self.origin).netloc

    @property
    def relying_party(self) -> str | None:
        """The host that passkeys are bound to (the WebAuthn RP ID), or None where browsers offer no passkeys.

        Browsers refuse WebAuthn on IP addresses, and outside HTTPS unless the host is localhost or beneath it.
        """
        parts = urlsplit(self.origin)
        host = parts.hostname or ""
        if not host or is_ip_address(host):
            return None
        if parts.scheme == "https" or host == "localhost" or host.endswith(".localhost"):
            return host
        return None


def is_ip_address(host: str) -> bool:
    """Whether a host name, without port or brackets, is an IPv4 or IPv6 address."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether a host name, without port or brackets, can only mean this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    return is_ip_address(host) and ip_address(host).is_loopback
