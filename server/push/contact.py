"""Whom a push service may write to when our messages trouble it (the `sub` of RFC 8292)."""

from pathlib import Path
from urllib.parse import urlsplit


def contact_of(value: object, base: Path) -> str:
    """The setting `push_contact`.

    Raises:
        ValueError: it is neither a mail address nor an https one.
    """
    parts = urlsplit(str(value).strip())
    if (parts.scheme == "https" and parts.netloc) or (parts.scheme == "mailto" and "@" in parts.path):
        return parts.geturl()
    raise ValueError("give whom push services may write to, as mailto:admin@example.org or an https address")


def token_contact(page_url: str, contact: str | None) -> str | None:
    """As configured; else the page, if its address is one that others can open."""
    if contact is not None:
        return contact
    return page_url if page_url.startswith("https://") else None
