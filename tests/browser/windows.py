"""Browser windows that remember whatever the console, the scripts or the page's policy complained about."""

from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

from store.people import Role
from tests.browser.running_site import RunningSite

# Pages that say no with a status are meant to; the console notes every one of them.
_MEANT = tuple(f"Failed to load resource: the server responded with a status of {s}" for s in (404, 409, 422))
_REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy: ${event.violatedDirective} blocked ${event.blockedURI} ${event.sample}`));
"""


@dataclass
class Windows:
    """Browser windows, and everything they complained about."""

    browser: Browser
    site: RunningSite
    complaints: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    def open(self, username: str | None = "ana", *, role: Role = Role.REVIEWER, **options: Any) -> Page:
        """A new window; signed in as `username` unless that is None. `options` are Playwright's."""
        context = self.browser.new_context(**options)
        self.contexts.append(context)
        context.add_init_script(_REPORT_VIOLATIONS)
        if username is not None:
            name, secret = self.site.cookie(self.site.reviewer(username, role))
            context.add_cookies([{"name": name, "value": secret, "url": self.site.origin}])
        context.on("console", self._hear)
        context.on("weberror", lambda error: self.complaints.append(f"exception: {error.error}"))
        page = context.new_page()
        page.set_default_timeout(10_000)
        return page

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(_MEANT):
            self.complaints.append(f"{message.type}: {message.text}")
