"""The server as a process: one a home, found by its run file, started detached, stopped by a signal.

Who runs is decided by a lock that the operating system frees when its holder dies, so a run file that a crash left
behind is never believed: it counts only while the server it names answers with the identity that it was written with.
"""

import json
import os
import shlex
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import httpx2
from filelock import FileLock, Timeout

from server.home import Home, write_private
from server.version import assent_version
from store.problems import Problem

ANSWER_SECONDS = 2.0
START_SECONDS = 30.0
STOP_SECONDS = 15.0
LOOK_SECONDS = 0.02
ENTRY = Path(__file__).resolve().parent.parent / "assent.py"


@dataclass(frozen=True)
class Running:
    """A server that runs for a home, in its own words."""

    pid: int
    url: str
    endpoint: str
    instance: str
    started_at: str
    version: str
    tls_cert: str | None = None


@contextmanager
def only_server(home: Home) -> Iterator[None]:
    """Hold the home for as long as the block runs. Raises Problem when another server holds it."""
    lock = FileLock(home.server_lock, mode=0o600)
    try:
        # A look by `status` or `stop` takes the lock for an instant: wait that out.
        lock.acquire(timeout=1)
    except Timeout:
        other = recorded(home)
        where = f" (process {other.pid}, {other.url})" if other else ""
        raise Problem(
            f"a server already runs for the home {home.path}{where}",
            "use that one, end it with: assent stop, or give --home",
        ) from None
    try:
        # Whatever an earlier server left was never taken back: it did not stop, it died.
        home.run_file.unlink(missing_ok=True)
        yield
    finally:
        lock.release()


@contextmanager
def announced(home: Home, running: Running) -> Iterator[None]:
    """Keep the run file for as long as the block runs."""
    write_private(home.run_file, json.dumps(asdict(running), indent=2) + "\n")
    try:
        yield
    finally:
        home.run_file.unlink(missing_ok=True)


def recorded(home: Home) -> Running | None:
    """What the run file says, whether or not it is still true."""
    try:
        said = json.loads(home.run_file.read_text(encoding="utf-8"))
        # A newer server may say more than this program knows of; it is no less there for that.
        return Running(**{field.name: said[field.name] for field in fields(Running) if field.name in said})
    except (OSError, ValueError, TypeError):
        return None


def other_version(home: Home, running: Running) -> str | None:
    """What to tell whoever installed another version than the one that still runs; None when they are the same."""
    if running.version == assent_version():
        return None
    return (
        f"the server that runs is Assent {running.version}, and this is {assent_version()}; it goes on working. "
        f"To change over run: assent stop --home {shlex.quote(str(home.path))} (open questions are kept, and the next "
        "call starts the new one)"
    )


def find(home: Home) -> Running | None:
    """The server of this home, if one answers now under the identity that its run file names."""
    running = recorded(home)
    return running if running is not None and _answers(running) else None


def is_held(home: Home) -> bool:
    """Whether some process holds this home, be it starting, serving or hung."""
    if not home.server_lock.exists():
        return False
    try:
        with FileLock(home.server_lock, mode=0o600, blocking=False):
            return False
    except Timeout:
        return True


def find_or_start(home: Home) -> Running:
    """This home's server, started in the background when none answers. Raises Problem when it does not come up."""
    running = find(home)
    if running is not None:
        return running
    home.create()
    deadline = time.monotonic() + START_SECONDS
    try:
        with FileLock(home.start_lock, mode=0o600, timeout=START_SECONDS):
            return find(home) or _started(home, deadline)
    except Timeout:
        raise Problem(f"another start of the server of {home.path} does not end", _see_log(home)) from None


def stop(home: Home) -> Running | None:
    """End this home's server and wait until it is gone. None when none ran. Raises Problem when it does not end."""
    running = recorded(home)
    if running is None or not is_held(home):
        if running is None and is_held(home):
            raise Problem(f"the server of {home.path} is starting or ending just now", "try again in a moment")
        return None
    try:
        os.kill(running.pid, signal.SIGTERM)
    except ProcessLookupError:
        return None
    except PermissionError:
        raise Problem(
            f"the server of {home.path} (process {running.pid}) belongs to another user", "stop it as that user"
        ) from None
    try:
        with FileLock(home.server_lock, mode=0o600, timeout=STOP_SECONDS):
            return running
    except Timeout:
        raise Problem(
            f"the server (process {running.pid}) has not ended within {STOP_SECONDS:.0f} seconds",
            f"what it decided is kept; end it with: kill -9 {running.pid}",
        ) from None


def trust(running: Running) -> ssl.SSLContext | bool:
    """How to check this server's certificate: the system's authorities, and the server's own certificate."""
    if not running.endpoint.startswith("https:"):
        return False
    context = ssl.create_default_context()
    if running.tls_cert is not None:
        context.load_verify_locations(running.tls_cert)
    return context


def _answers(running: Running) -> bool:
    try:
        # A proxy from the environment has no business between this machine and itself.
        with httpx2.Client(verify=trust(running), trust_env=False, timeout=ANSWER_SECONDS) as client:
            answer = client.get(f"{running.endpoint}/healthz")
            return answer.status_code == 200 and answer.json().get("instance") == running.instance
    except (httpx2.HTTPError, ValueError, OSError):
        return False


def _started(home: Home, deadline: float) -> Running:
    child: subprocess.Popen[bytes] | None = None
    while time.monotonic() < deadline:
        running = find(home)
        if running is not None:
            return running
        if child is not None and child.poll() is not None:
            raise Problem(f"the server of {home.path} did not start: {_last_words(home)}", _see_log(home))
        # One that is on its way up or down holds the home: it answers soon, or makes room.
        if child is None and not is_held(home):
            child = _spawn(home)
        time.sleep(LOOK_SECONDS)
    raise Problem(f"the server of {home.path} does not answer after {START_SECONDS:.0f} seconds", _see_log(home))


def _spawn(home: Home) -> subprocess.Popen[bytes]:
    """A server that outlives us: its own session, none of our streams, no credential of ours in its environment."""
    environment = {name: value for name, value in os.environ.items() if name != "ASSENT_TOKEN"}
    log = os.open(home.log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return subprocess.Popen(
            [sys.executable, "-P", str(ENTRY), "serve", "--json", "--home", str(home.path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            cwd=home.path,
            start_new_session=True,
        )
    finally:
        os.close(log)


def _last_words(home: Home) -> str:
    try:
        lines = home.log_file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "it left no log"
    said = [line for line in lines if line.startswith("error: ")]
    return said[-1].removeprefix("error: ") if said else (lines[-1] if lines else "it said nothing")


def _see_log(home: Home) -> str:
    return f"see {home.log_file}, or run: assent serve --home {home.path}"
