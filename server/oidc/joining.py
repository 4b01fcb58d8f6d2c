"""The provider of the settings, ready to be asked. Whoever sets none needs nothing that it stands on."""

from typing import TYPE_CHECKING

from server.oidc.configuration import OidcSettings
from server.problem import UsageProblem
from store.moments import Clock

if TYPE_CHECKING:
    from server.oidc.provider import Provider

CALLBACK = "/login/oidc/callback"
"""Where the provider sends people back to, on the review site: the redirect URI to register there."""


def open_provider(settings: OidcSettings, page_url: str, clock: Clock) -> "Provider":
    """The provider; nothing is sent to it yet.

    Raises:
        UsageProblem: the extra is not installed.
        KeyProblem: the client's secret cannot be read.
    """
    try:
        from server.oidc.provider import Provider  # noqa: PLC0415  # what it stands on is an extra
    except ImportError as missing:
        raise UsageProblem(
            f"signing in with another provider needs {missing.name}, which is not installed",
            'install it with: pip install "assent[oidc]"; or take [oidc] out of assent.toml',
        ) from missing
    return Provider(settings, f"{page_url}{CALLBACK}", clock)
