"""Server and agent as two users of one machine: prints what the agent tries, and fails if it gets what it should not.

    sudo python -m tests.deploy.separate_user [PROGRAM]

Needs root, `useradd` and `setpriv`. Two accounts are made for it, and removed. PROGRAM is an installed `assent`, such
as /opt/assent/bin/assent; without it this very source is run, from a copy that both users can read.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import httpx2

ROOT = Path(__file__).resolve().parent.parent.parent
PASSWORD = "a long password of ana"
SOURCES = ("assent.py", "store", "review_web", "server")
NEEDLESS = (
    "site-packages",
    "test",
    "tests",
    "idlelib",
    "tkinter",
    "turtledemo",
    "__pycache__",
    "*.a",
    "share",
    "include",
)


@contextmanager
def account(name: str) -> Iterator[str]:
    """An account for the length of the block."""
    subprocess.run(["useradd", "--system", "--user-group", "--no-create-home", name], check=True)
    try:
        yield name
    finally:
        subprocess.run(["userdel", name], check=True)


def as_user(user: str, *command: str) -> list[str]:
    return [
        "setpriv",
        f"--reuid={user}",
        f"--regid={user}",
        "--init-groups",
        "--inh-caps=-all",
        "--no-new-privs",
        *command,
    ]


def is_public(path: Path) -> bool:
    """Whether every user can reach it."""
    real = path.resolve()
    return all(folder.stat().st_mode & 0o005 == 0o005 for folder in (real, *real.parents))


class Stage:
    """A place that both users can read, with a Python and the program in it."""

    def __init__(self, folder: Path, program: str | None) -> None:
        shutil.copy(Path(__file__).with_name("agent_side.py"), folder)
        self.agent_side = str(folder / "agent_side.py")
        if program is not None:
            self.python, self.command = str(Path(program).with_name("python")), [program]
            self.variables: dict[str, str] = {}
            return
        self.python, self.variables = _python_for_all(folder)
        for name in SOURCES:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, folder / name)
        self.command = [self.python, "-P", str(folder / "assent.py")]

    def environment(self, home: Path) -> dict[str, str]:
        kept = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
        return kept | self.variables


def _python_for_all(folder: Path) -> tuple[str, dict[str, str]]:
    """A Python that every user can run, and the variables that lead it to its libraries."""
    if is_public(Path(sys.executable)) and is_public(Path(sys.base_prefix)) and is_public(Path(sys.prefix)):
        return sys.executable, {}
    base = Path(sys.base_prefix)
    if not is_public(base):
        base = folder / "python"
        shutil.copytree(sys.base_prefix, base, symlinks=True, ignore=shutil.ignore_patterns(*NEEDLESS))
    libraries = Path(sysconfig.get_path("purelib"))
    if not is_public(libraries):
        libraries = shutil.copytree(
            libraries, folder / "libraries", ignore=shutil.ignore_patterns("playwright", "mypy")
        )
    python = base / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    return str(python), {"PYTHONPATH": str(libraries), "LD_LIBRARY_PATH": str(base / "lib")}


class House:
    """A server that runs as its own user."""

    def __init__(self, stage: Stage, user: str, home: Path) -> None:
        self.stage, self.user, self.home = stage, user, home
        self._process: subprocess.Popen[str] | None = None

    def command(self, *arguments: str, stdin: str = "") -> str:
        ended = subprocess.run(
            as_user(self.user, *self.stage.command, *arguments, "--home", str(self.home)),
            env=self.stage.environment(self.home),
            cwd=self.home.parent,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode != 0:
            raise SystemExit(f"{' '.join(arguments)}: {ended.stderr}")
        return ended.stdout.strip()

    @contextmanager
    def serving(self) -> Iterator[dict[str, Any]]:
        command = as_user(self.user, *self.stage.command, "serve", "--json", "--port", "0", "--home", str(self.home))
        environment = self.stage.environment(self.home)
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=environment, cwd=self.home.parent
        ) as server:
            assert server.stdout is not None
            try:
                said: dict[str, Any] = json.loads(server.stdout.readline())
                yield said
            finally:
                server.terminate()


def tries(house: House, user: str, known: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """What the agent came to, and the request it made."""
    ended = subprocess.run(
        as_user(user, house.stage.python, "-P", house.stage.agent_side),
        input=json.dumps(known),
        env=house.stage.environment(Path("/nonexistent")),
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode != 0:
        raise SystemExit(ended.stderr)
    *tried, last = (json.loads(line) for line in ended.stdout.splitlines())
    return tried, last["request_id"]


def approve(said: dict[str, Any], request_id: str) -> None:
    """As the person, through the page's own interface."""
    headers = {"host": said["url"].removeprefix("http://"), "origin": said["url"]}
    with httpx2.Client(base_url=said["endpoint"], headers=headers, trust_env=False) as person:
        signed_in = person.post("/login", data={"username": "ana", "password": PASSWORD})
        person.headers["cookie"] = signed_in.headers["set-cookie"].partition(";")[0]
        card = person.get(f"/api/requests/{request_id}").json()
        body = {"card_sha256": card["card_sha256"], "decision": "approve"}
        person.post(f"/api/requests/{request_id}/decision", json=body).raise_for_status()


def assurance_in(database: Path, request_id: str) -> str:
    """What the server noted of how its agent was kept apart."""
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as rows:
        (claimed,) = rows.execute("SELECT assurance FROM requests WHERE id = ?", (request_id,)).fetchone()
    return str(claimed)


def shown(tried: list[dict[str, Any]]) -> int:
    """Print the attempts; how many came to something else than they should."""
    wrong = 0
    for attempt in tried:
        right = attempt["came_through"] == attempt["should"]
        wrong += not right
        outcome = "works  " if attempt["came_through"] else "refused"
        print(f"{'  ' if right else '!!'} {outcome}  {attempt['title']}: {attempt['said']}")
    return wrong


def main(arguments: list[str]) -> int:
    number = os.getpid()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="assent-two-users-", dir="/tmp")))
        folder.chmod(0o755)
        server_user = stack.enter_context(account(f"assent-s{number}"))
        agent_user = stack.enter_context(account(f"assent-a{number}"))
        house = House(Stage(folder, arguments[0] if arguments else None), server_user, folder / "of-server" / "home")
        house.home.mkdir(parents=True, mode=0o700)
        shutil.chown(house.home, server_user, server_user)
        house.command("user", "add", "ana", "--password-stdin", stdin=PASSWORD + "\n")
        token = house.command("agent", "add", "shell-agent", "--owner", "ana")
        said = stack.enter_context(house.serving())
        print(f"The server runs as {server_user}, the agent as {agent_user}.\n")
        known = {
            "home": said["home"],
            "pid": said["pid"],
            "token": token,
            "command": house.stage.command,
            "page": said["url"],
            "endpoint": said["endpoint"],
        }
        tried, request_id = tries(house, agent_user, known)
        wrong = shown(tried)
        print("\nThe person signs in and approves.\n")
        approve(said, request_id)
        wrong += shown(tries(house, agent_user, {**known, "request_id": request_id})[0])
        claimed = assurance_in(house.home / "assent.db", request_id)
        print(f"\nThe log claims of this request: {claimed}.")
        wrong += claimed != "separate_user"
    print(f"\n{'All as it should be.' if not wrong else f'{wrong} not as it should be.'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
