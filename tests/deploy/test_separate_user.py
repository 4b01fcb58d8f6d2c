"""Two users of one machine: what is called enforcement, tried by an agent with everything that a shell has."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.repository import ROOT

CANNOT = "needs root, useradd and setpriv: only root can make two users and become them"


@pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0 or not shutil.which("useradd") or not shutil.which("setpriv"),
    reason=CANNOT,
)
def test_an_agent_of_another_user_gets_what_a_person_allows_and_nothing_else() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.deploy.separate_user"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert "!!" not in ended.stdout
    assert ended.stdout.endswith("All as it should be.\n"), ended.stdout + ended.stderr
    assert ended.returncode == 0
