"""The link under which the first reviewer is made. It is a secret: it goes to a terminal or to who asked for it."""

from urllib.parse import urlencode

from store.people import AlreadySetUp, People


async def setup_url(people: People, page_url: str) -> str | None:
    """A new link, which lives 15 minutes and voids the one before; None once there is a reviewer."""
    try:
        token = await people.create_setup_link()
    except AlreadySetUp:
        return None
    return f"{page_url}/setup?{urlencode({'token': token})}"
