"""The push key is made once, for its owner alone, and never coerced into shape."""

from pathlib import Path

import pytest

from server.push.key import open_push_key
from store.problems import KeyProblem


def test_a_key_is_made_once_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "push.key"

    assert open_push_key(path).public == open_push_key(path).public
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_each_home_has_a_key_of_its_own(tmp_path: Path) -> None:
    assert open_push_key(tmp_path / "one").public != open_push_key(tmp_path / "other").public


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "push.key"
    open_push_key(path)
    path.chmod(0o644)

    with pytest.raises(KeyProblem, match="open to other users"):
        open_push_key(path)


@pytest.mark.parametrize("text", ["", "assent-push-key-1 AAAA\n", f"assent-push-key-1 {'A' * 43}=\n", "\xff"])
def test_what_is_not_exactly_one_key_is_refused_with_what_to_do(tmp_path: Path, text: str) -> None:
    path = tmp_path / "push.key"
    path.write_bytes(text.encode("latin-1"))
    path.chmod(0o600)

    with pytest.raises(KeyProblem, match="is not a push key") as refusal:
        open_push_key(path)
    assert f"rm {path}" in refusal.value.hint
