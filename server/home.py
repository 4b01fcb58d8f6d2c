"""The home: the folder that holds everything one server keeps, and the files that tell others about it."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_data_dir

from store.problems import Problem


def default_home() -> Path:
    return Path(user_data_dir("assent", appauthor=False))


@dataclass(frozen=True)
class Home:
    path: Path

    @property
    def config_file(self) -> Path:
        return self.path / "assent.toml"

    @property
    def database_file(self) -> Path:
        return self.path / "assent.db"

    @property
    def key_file(self) -> Path:
        """The vault's key. Whoever has it and the database reads every sealed secret."""
        return self.path / "keys" / "vault.key"

    @property
    def passphrase_file(self) -> Path:
        """Salt, costs and check value of the vault's passphrase, where the settings choose one. It holds no key."""
        return self.path / "keys" / "vault.passphrase"

    @property
    def log_key_file(self) -> Path:
        """The key that signs the log. Whoever has it can write a log that looks like ours."""
        return self.path / "keys" / "log.key"

    @property
    def push_key_file(self) -> Path:
        """The key by which push services know this server. Whoever has it can send to people's phones in its name."""
        return self.path / "keys" / "push.key"

    @property
    def policy_file(self) -> Path:
        """Rules as somebody proposes them, unless the settings name another file."""
        return self.path / "policy.yaml"

    @property
    def upstreams_env_file(self) -> Path:
        """Values that upstreams are started with and that no policy should hold: what `{{env:NAME}}` may stand for."""
        return self.path / "upstreams.env"

    @property
    def adopted_folder(self) -> Path:
        """What `assent adopt` changed, and how to take it back: a file for each client file."""
        return self.path / "adopted"

    @property
    def run_file(self) -> Path:
        """Written by the running server: where it is and who it is."""
        return self.path / "server.json"

    @property
    def server_lock(self) -> Path:
        """Held by the running server for as long as it lives: one server a home."""
        return self.path / "server.lock"

    @property
    def start_lock(self) -> Path:
        """Held by whoever starts a detached server, so that two who start one at once start one."""
        return self.path / "start.lock"

    @property
    def log_file(self) -> Path:
        """What a detached server writes; one that runs in a terminal writes to its stderr."""
        return self.path / "server.log"

    @property
    def bridge_secret_file(self) -> Path:
        """The local bridge's credential, new at each start of the server."""
        return self.path / "bridge.secret"

    def create(self) -> None:
        """Make the folder, readable by its owner alone. An existing one keeps its permissions: it may not be ours."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Problem(
                f"the home {self.path} cannot be made: {error.strerror}",
                "name a folder that you may write with --home or ASSENT_HOME",
            ) from error


def write_private(path: Path, text: str) -> None:
    """Replace `path` by a file with this text that only its owner can read. Readers see the old or the new, whole."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
