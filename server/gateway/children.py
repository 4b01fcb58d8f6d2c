"""Processes of ours: each leads a group of its own, and none outlives this server, however that ends."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import anyio.to_thread
from anyio.abc import Process

from server.gateway import reaper
from server.gateway.launching import Launch
from server.gateway.limits import Limits
from server.gateway.problems import Unavailable

_LOOK_SECONDS = 0.01
_REAP_SECONDS = 10.0
"""What was killed is dead; on a busy machine it takes a while until we hear of it."""


class Children:
    """Starts processes and ends them. `close` once all are over."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.hurried = False
        """While it is set, what is ended has less time for it: people stopped everything, and wait for it."""
        self._groups: set[int] = set()
        self._reaper: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> frozenset[int]:
        """The groups that are alive, by their leaders' numbers."""
        return frozenset(self._groups)

    @asynccontextmanager
    async def started(self, launch: Launch) -> AsyncIterator[Process]:
        """A process, from its start to the end of its whole group. Its three streams are pipes.

        Raises:
            Unavailable
        """
        process = await _started(launch)
        # No await between the start and here: a cancellation in the gap would leave the process behind.
        self._groups.add(process.pid)
        try:
            self._tell(f"+{process.pid}\n")
            yield process
        finally:
            with anyio.CancelScope(shield=True):
                await self._end(process)

    async def close(self) -> None:
        """Let go of what watches over the processes."""
        watcher, self._reaper = self._reaper, None
        if watcher is not None and watcher.stdin is not None:
            with suppress(OSError):
                watcher.stdin.close()
            await anyio.to_thread.run_sync(watcher.wait)

    def _tell(self, line: str) -> None:
        if self._reaper is None or self._reaper.poll() is not None:
            # -I: nothing of the environment or the folder decides what it runs.
            self._reaper = subprocess.Popen(
                [sys.executable, "-I", "-S", str(Path(reaper.__file__))],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            line = "".join(f"+{group}\n" for group in self._groups)
        assert self._reaper.stdin is not None
        with suppress(OSError):
            self._reaper.stdin.write(line.encode())
            self._reaper.stdin.flush()

    async def _end(self, process: Process) -> None:
        """The order of the specification: no more input, a request, and force; for the group, not its leader alone."""
        if process.stdin is not None:
            with suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
                await process.stdin.aclose()
        grace = self._limits.hurried_seconds if self.hurried else self._limits.grace_seconds
        await _until(lambda: process.returncode is not None, grace)

        def gone() -> bool:
            return process.returncode is not None and not _signal_group(process.pid, 0)

        if _signal_group(process.pid, signal.SIGTERM) and not await _until(gone, grace):
            _signal_group(process.pid, signal.SIGKILL)
        await _until(lambda: process.returncode is not None, _REAP_SECONDS)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                with suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
                    await stream.aclose()
        _close_transport(process)
        self._groups.discard(process.pid)
        self._tell(f"-{process.pid}\n")


async def exit_code(process: Process, look_seconds: float) -> int:
    """Wait for the leader's end, and for nothing else.

    Waiting for the process itself also waits for the end of its pipes, which others of its group may hold open.
    """
    while process.returncode is None:  # noqa: ASYNC110 (nothing tells of the leader's end alone)
        await anyio.sleep(look_seconds)
    return process.returncode


async def _started(launch: Launch) -> Process:
    try:
        if launch.is_ours:
            launch.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return await anyio.open_process(
            launch.command, env=launch.environment, cwd=launch.folder, start_new_session=True
        )
    except FileNotFoundError as error:
        name = launch.command[0] if error.filename is None else error.filename
        raise Unavailable(f"there is no {name}", "install it, or correct the policy") from error
    except PermissionError as error:
        raise Unavailable(f"{error.filename} may not be run by this server", "correct its permissions") from error
    except (OSError, ValueError) as error:
        raise Unavailable(f"it cannot be run: {error}", "correct the policy") from error


def _signal_group(group: int, number: int) -> bool:
    """Whether there was anything to signal."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        # Members that are dead and not yet reaped, or that changed their user: they may be there.
        return True
    return True


async def _until(true: Callable[[], bool], seconds: float) -> bool:
    with anyio.move_on_after(seconds):
        while not true():  # noqa: ASYNC110 (nothing tells of the end of a group)
            await anyio.sleep(_LOOK_SECONDS)
        return True
    return true()


def _close_transport(process: Process) -> None:
    # A pipe that another process still holds keeps the transport open, which warns when it is collected.
    transport = getattr(getattr(process, "_process", None), "_transport", None)
    if transport is not None:
        with suppress(PermissionError):
            transport.close()
