"""What is shipped for deployment says what the program does; where no engine runs it, its structure is looked at."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from server.config import PARSERS
from tests.repository import ROOT

DEPLOY = ROOT / "deploy"
UNIT = (DEPLOY / "assent.service").read_text("utf-8")
DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf-8")
COMPOSE = (DEPLOY / "compose.yaml").read_text("utf-8")


def unit_settings() -> dict[str, list[str]]:
    settings: dict[str, list[str]] = {}
    for name, value in re.findall(r"^([A-Z]\w+)=(.*)$", UNIT, re.MULTILINE):
        settings.setdefault(name, []).append(value)
    return settings


def instructions() -> list[tuple[str, str]]:
    joined = re.sub(r"\\\n\s*", "", DOCKERFILE)
    return [(word, rest) for word, rest in re.findall(r"^([A-Z]+) (.*)$", joined, re.MULTILINE)]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed here")
def test_systemd_finds_no_fault_in_the_unit(tmp_path: Path) -> None:
    # Program and account need not exist where this is checked.
    text = UNIT.replace("/opt/assent/bin/assent serve", shutil.which("true") or "/bin/true").replace("=assent", "=root")
    (tmp_path / "assent.service").write_text(text.replace("StateDirectory=root", "StateDirectory=assent"))

    ended = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / "assent.service"], capture_output=True, text=True
    )

    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("User", "assent"),
        ("Type", "notify"),
        ("StateDirectory", "assent"),
        ("StateDirectoryMode", "0700"),
        ("UMask", "0077"),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("NoNewPrivileges", "yes"),
        ("CapabilityBoundingSet", ""),
        ("MemoryDenyWriteExecute", "yes"),
        ("LimitCORE", "0"),
    ],
)
def test_the_unit_confines_the_server(name: str, value: str) -> None:
    assert unit_settings()[name] == [value]


def test_the_unit_gives_a_stop_longer_than_the_drain_needs() -> None:
    assert int(unit_settings()["TimeoutStopSec"][0]) >= 15


def test_the_script_the_unit_and_the_documents_speak_of_the_same_places() -> None:
    script = (DEPLOY / "install.sh").read_text("utf-8")

    assert "home=/var/lib/assent\n" in script
    assert "program=/opt/assent\n" in script
    assert unit_settings()["ExecStart"] == ["/opt/assent/bin/assent serve"]
    assert unit_settings()["Environment"] == ["ASSENT_HOME=/var/lib/assent"]


@pytest.mark.parametrize("script", ["install.sh"])
def test_a_shell_script_is_one_that_the_shell_understands(script: str) -> None:
    assert subprocess.run(["sh", "-n", DEPLOY / script]).returncode == 0


def test_the_install_script_refuses_who_is_not_root(tmp_path: Path) -> None:
    (tmp_path / "id").write_text("#!/bin/sh\necho 1000\n")
    (tmp_path / "id").chmod(0o755)

    ended = subprocess.run(
        ["sh", DEPLOY / "install.sh"], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True
    )

    assert ended.returncode == 1
    assert ended.stderr.startswith("error: ")
    assert "\nhint: sudo sh " in ended.stderr


def test_the_image_is_built_in_two_stages_from_the_hashed_locks() -> None:
    stages = [rest for word, rest in instructions() if word == "FROM"]
    installs = [rest for word, rest in instructions() if word == "RUN" and "pip install" in rest]

    assert len(stages) == 2
    assert "--require-hashes -r requirements/build.lock -r requirements/base.lock" in installs[0]
    assert all("--require-hashes" in install or "--no-deps" in install for install in installs)


def test_the_image_runs_as_nobody_in_particular_and_is_asked_for_its_health() -> None:
    last = DOCKERFILE.rindex("\nFROM ")
    words = [word for word, _ in instructions()]

    assert re.search(r"^USER 10001:10001$", DOCKERFILE[last:], re.MULTILINE)
    assert words.index("HEALTHCHECK") > len(words) - words[::-1].index("FROM")
    assert ("ENTRYPOINT", '["/opt/assent/bin/assent"]') in instructions()


def test_everything_that_the_image_copies_is_there_and_not_ignored() -> None:
    ignore = (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    sources = [
        source
        for word, rest in instructions()
        if word == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    ]
    let_in = [line.removeprefix("!") for line in ignore if line.startswith("!")]

    assert sources
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert [source for source in sources if not any(Path(source).match(pattern) for pattern in let_in)] == []


@pytest.mark.parametrize("line", ["read_only: true", "cap_drop: [ALL]", "no-new-privileges:true", "internal: true"])
def test_the_containers_are_confined(line: str) -> None:
    assert line in COMPOSE


@pytest.mark.parametrize("file", ["compose.yaml", "compose.push.yaml"])
def test_the_settings_in_the_compose_files_are_settings_of_ours(file: str) -> None:
    text = (DEPLOY / file).read_text("utf-8")
    named = set(re.findall(r"^\s+ASSENT_([A-Z_]+):", text, re.MULTILINE))

    assert named
    assert {name.lower() for name in named} <= set(PARSERS)


def test_the_proxy_that_is_believed_is_the_one_in_the_compose_file() -> None:
    (trusted,) = re.findall(r"ASSENT_TRUSTED_PROXY: (\S+)", COMPOSE)
    proxy = COMPOSE[COMPOSE.index("\n  proxy:") :]

    assert f"ipv4_address: {trusted}\n" in proxy
