from pathlib import Path

import pytest

from store.problems import KeyProblem
from store.vault.passphrase import HEADER, Costs, Passphrase, derive, open_passphrase, parse

CHEAP = Costs(memory=19_456, passes=1, lanes=1)
WORDS = "six plain words nobody would guess"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "vault.passphrase"


def opened(path: Path, passphrase: str = WORDS, *, make: bool = False) -> Passphrase:
    return open_passphrase(path, lambda new: passphrase, make=make, costs=CHEAP)


def nobody_is_asked(new: bool) -> str:
    pytest.fail("nobody should have been asked")


def test_the_same_passphrase_makes_the_same_key_again(path: Path) -> None:
    made = opened(path, make=True)
    assert opened(path) == made
    assert opened(path, make=True) == made


def test_the_record_is_its_owner_s_alone_and_holds_neither_passphrase_nor_key(path: Path) -> None:
    made = opened(path, make=True)
    content = path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    assert content.startswith(HEADER.encode())
    assert WORDS.encode() not in content
    assert made.key.material not in content
    assert made.key.kid.encode() not in content


def test_two_vaults_of_one_passphrase_have_different_keys(tmp_path: Path) -> None:
    one, other = (opened(tmp_path / name, make=True) for name in ("a", "b"))
    assert one.key.kid != other.key.kid


def test_a_wrong_passphrase_is_refused_and_changes_nothing(path: Path) -> None:
    opened(path, make=True)
    before = path.read_bytes()
    with pytest.raises(KeyProblem, match="is not the one of") as refusal:
        opened(path, WORDS + " ", make=True)
    assert "ASSENT_VAULT_PASSPHRASE" in refusal.value.hint
    assert path.read_bytes() == before


def test_a_new_passphrase_is_asked_for_as_new_and_a_known_one_as_known(path: Path) -> None:
    asked = []

    def source(new: bool) -> str:
        asked.append(new)
        return WORDS

    for _ in range(2):
        open_passphrase(path, source, make=True, costs=CHEAP)
    assert asked == [True, False]


def test_a_passphrase_that_is_too_short_makes_no_vault(path: Path) -> None:
    with pytest.raises(KeyProblem, match="has 11 characters; it needs 12"):
        opened(path, "11 letters.", make=True)
    assert not path.exists()


def test_a_missing_record_is_refused_before_anybody_is_asked(path: Path) -> None:
    with pytest.raises(KeyProblem, match="is missing"):
        open_passphrase(path, nobody_is_asked, make=False)
    assert not path.exists()


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_record_open_to_others_is_refused(path: Path, mode: int) -> None:
    opened(path, make=True)
    path.chmod(mode)
    with pytest.raises(KeyProblem, match="open to other users"):
        open_passphrase(path, nobody_is_asked, make=True)


SALT = "AAAAAAAAAAAAAAAAAAAAAA=="


@pytest.mark.parametrize(
    "line",
    [
        "",
        "hunter2\n",
        f"{HEADER} argon2id m=19456,t=1,p=1 {SALT} {SALT}",
        f"{HEADER} argon2id m=19456,t=1,p=1 {SALT} {SALT}\n\n",
        f"{HEADER} argon2id m=19456,t=1,p=1 {SALT}\n",
        f"{HEADER} argon2id m=19456,t=1,p=1 {SALT} c2hvcnQ=\n",
        f"{HEADER} argon2id m=19456,t=1,p=1 {'A' * 21}B== {SALT}\n",
        f"{HEADER} argon2id m=019456,t=1,p=1 {SALT} {SALT}\n",
        f"{HEADER} argon2i m=19456,t=1,p=1 {SALT} {SALT}\n",
        f"{HEADER} argon2id m=19455,t=1,p=1 {SALT} {SALT}\n",
        f"{HEADER} argon2id m=4194305,t=1,p=1 {SALT} {SALT}\n",
        f"{HEADER} argon2id m=19456,t=0,p=1 {SALT} {SALT}\n",
        f"{HEADER} argon2id m=19456,t=65,p=1 {SALT} {SALT}\n",
        f"{HEADER} argon2id m=19456,t=1,p=0 {SALT} {SALT}\n",
        f"{HEADER} argon2id m=19456,t=1,p=65 {SALT} {SALT}\n",
    ],
)
def test_what_is_not_exactly_one_bearable_record_is_refused_before_anybody_is_asked(path: Path, line: str) -> None:
    path.parent.mkdir()
    path.write_text(line)
    path.chmod(0o600)
    with pytest.raises(KeyProblem, match="not a passphrase's record"):
        open_passphrase(path, nobody_is_asked, make=True)
    assert path.read_text() == line


def test_the_spelling_of_a_letter_in_unicode_does_not_matter() -> None:
    assert derive("caf\u00e9 caf\u00e9 caf\u00e9", bytes(16), CHEAP) == derive(
        "cafe\u0301 " * 2 + "cafe\u0301", bytes(16), CHEAP
    )


def test_what_is_no_text_is_no_passphrase(path: Path) -> None:
    with pytest.raises(KeyProblem, match="not text in UTF-8"):
        opened(path, "caf\udce9 caf\udce9 caf\udce9", make=True)
    assert not path.exists()


def test_every_part_of_the_record_changes_the_key() -> None:
    key, check = derive(WORDS, bytes(16), CHEAP)
    others = [
        derive(WORDS, bytes(15) + b"\1", CHEAP),
        derive(WORDS, bytes(16), Costs(memory=19_457, passes=1, lanes=1)),
        derive(WORDS, bytes(16), Costs(memory=19_456, passes=2, lanes=1)),
        derive(WORDS, bytes(16), Costs(memory=19_456, passes=1, lanes=2)),
    ]
    assert {k.kid for k, _ in others}.isdisjoint({key.kid})
    assert len({c for _, c in others} | {check}) == 5


def test_the_default_costs_are_those_that_the_specification_names() -> None:
    line = f"{HEADER} argon2id m=65536,t=3,p=4 {SALT} {SALT}\n"
    assert parse(line.encode(), Path("vault.passphrase")).costs == Costs()


def test_neither_key_nor_passphrase_is_printed(path: Path) -> None:
    made = opened(path, make=True)
    assert repr(made.key.material) not in repr(made)
    assert WORDS not in repr(made)


def test_another_keys_secrets_are_refused_by_name(path: Path) -> None:
    made = opened(path, make=True)
    assert made.named(made.key.kid) == made.key
    with pytest.raises(KeyProblem, match="sealed with the key 0000"):
        made.named("0000")
