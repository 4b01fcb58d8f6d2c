"""Settings that a machine's administrator gives a client, without writing to this machine's /etc.

A namespace of its own has another /etc, with the few files that programs look for and the managed settings.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

_NEEDED = ("passwd", "group", "hosts", "nsswitch.conf", "resolv.conf", "ld.so.cache", "localtime")
_ENTER = ("unshare", "--mount", "--map-root-user")


def managed(program: Path, folder: Path, path: str, settings: str) -> Path:
    """The same program on a machine with these settings at this path in /etc. Skips where nobody may mount anything."""
    if shutil.which(_ENTER[0]) is None:
        pytest.skip(f"this machine has no {_ENTER[0]}, so managed settings were not tested")
    tried = subprocess.run([*_ENTER, "true"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if tried.returncode != 0:
        pytest.skip(
            f"no mount namespace is to be had here, so managed settings were not tested: {tried.stderr.strip()}"
        )
    etc = folder / "etc"
    (etc / path).parent.mkdir(parents=True)
    (etc / path).write_text(settings, encoding="utf-8")
    for name in _NEEDED:
        if (Path("/etc") / name).is_file():
            shutil.copy(Path("/etc") / name, etc / name)
    script = folder / program.name
    script.write_text(f"""#!/bin/sh
exec {" ".join(_ENTER)} sh -c 'mount --bind "$0" /etc && exec "$@"' '{etc}' '{program}' "$@"
""")
    script.chmod(0o755)
    return script
