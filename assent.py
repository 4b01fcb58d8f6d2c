"""The console entry `assent`.

Our packages have plain names (`store`, `server`, `review_web`). Whatever else PYTHONPATH or the working directory
offers under those names, an `assent` command runs its own.
"""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

OWN_FOLDER = str(Path(__file__).resolve().parent)
OWN_PACKAGES = frozenset({"store", "review_web", "server"})


class OwnPackages:
    """Finds our top-level packages beside this file, before any other finder is asked."""

    @classmethod
    def find_spec(
        cls, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is None and fullname in OWN_PACKAGES:
            return PathFinder.find_spec(fullname, [OWN_FOLDER], target)
        return None


def main() -> None:
    """Run the command line and exit with its code: 0, 1 for a failure, 2 for wrong usage."""
    sys.meta_path.insert(0, OwnPackages)
    # Only now may anything of ours be imported: this is the one import that cannot stand at the top.
    from server.cli import run  # noqa: PLC0415

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
