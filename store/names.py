"""When two names are one name. Pure."""

import unicodedata


def fold(name: str) -> str:
    """Names that look alike are one name: case and compatibility forms do not count."""
    return unicodedata.normalize("NFKC", name.strip()).casefold()
