"""The version of the installed distribution."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version


@cache
def assent_version() -> str:
    """The distribution's version, or "0+source" when run from a source tree that was never installed."""
    try:
        return version("assent")
    except PackageNotFoundError:
        return "0+source"
