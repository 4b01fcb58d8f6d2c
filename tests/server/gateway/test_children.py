"""Processes of ours end with us, however we end."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from server.gateway import reaper
from tests.repository import ROOT

SERVER = """
import anyio, os, sys
from pathlib import Path
from server.gateway.children import Children
from server.gateway.launching import Launch
from server.gateway.limits import Limits

async def main():
    children = Children(Limits())
    deaf = "import signal, subprocess, sys; [signal.signal(n, signal.SIG_IGN) for n in (1, 2, 15)];"
    deaf += "print(subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()']).pid, flush=True);"
    deaf += "signal.pause()"
    launch = Launch((sys.executable, "-c", deaf), dict(os.environ), Path(sys.argv[1]))
    async with children.started(launch) as process:
        print(process.pid, (await process.stdout.receive()).decode().strip(), flush=True)
        await anyio.sleep_forever()

anyio.run(main)
"""


@contextmanager
def ears(*processes: int) -> Iterator[select.poll]:
    """Tells of the end of processes that are not ours."""
    poll = select.poll()
    descriptors = [os.pidfd_open(process) for process in processes]
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    try:
        yield poll
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="tells of the end of other processes on Linux only")
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_that_heeds_nothing_and_its_own_child_end_when_the_server_is_killed(
    tmp_path: Path, ending: signal.Signals
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as server:
        assert server.stdout is not None
        child, grandchild = map(int, server.stdout.readline().split())
        with ears(child) as leader, ears(grandchild) as member:
            server.send_signal(ending)
            server.wait()
            assert leader.poll(20_000)
            assert member.poll(20_000)


def test_the_watcher_ends_nothing_that_was_over_before() -> None:
    with (
        subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True) as spared,
        subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(reaper.__file__))], stdin=subprocess.PIPE, text=True
        ) as watcher,
    ):
        watcher.communicate(f"+{spared.pid}\n-{spared.pid}\n")
        assert watcher.returncode == 0
        assert spared.poll() is None
        spared.kill()
