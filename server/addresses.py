"""The names and addresses that mean this machine."""

import ipaddress

PAGE_NAME = "assent.localhost"
"""The page's own host on one machine: it may hold passkeys, and shares cookies with no other local server."""
LOOPBACK_NAMES = ("127.0.0.1", "localhost", PAGE_NAME)
WILDCARDS = ("0.0.0.0", "::")  # noqa: S104  # what is compared with, not what is bound
ONE_MACHINE = (*LOOPBACK_NAMES, "::1")
"""Hosts that stand for this machine alone: who listens on one of them listens on 127.0.0.1 and on ::1."""


def is_loopback(host: str) -> bool:
    name = host.strip("[]")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def bracketed(host: str) -> str:
    """The host as it stands in a URL: IPv6 addresses go in brackets."""
    return f"[{host}]" if ":" in host else host
