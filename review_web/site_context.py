"""What every route module of the review site is handed: `routes(site)` closes over one `Site`."""

from dataclasses import dataclass

from review_web.attempts import SignInLimiter
from review_web.ceremonies import Ceremonies
from review_web.federation import Federation
from review_web.rendering import Templates
from review_web.settings import SiteSettings
from store.agents import Agents
from store.desk import Desk
from store.moments import Clock
from store.people import People


@dataclass(frozen=True)
class Site:
    """The store's use cases, the settings, and the little that the site itself remembers."""

    desk: Desk
    people: People
    agents: Agents
    settings: SiteSettings
    templates: Templates
    limiter: SignInLimiter
    ceremonies: Ceremonies
    clock: Clock
    """The store's own clock: sessions and deadlines are measured by the same one."""
    federation: Federation | None = None
    """Another provider that signs people in; None without one."""

    @property
    def provider(self) -> str | None:
        """What people call that provider; None without one."""
        return None if self.federation is None else self.federation.provider.label
