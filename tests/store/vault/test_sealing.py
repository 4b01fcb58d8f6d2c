from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.problems import KeyProblem
from store.vault.sealing import Binding, Key, Sealed, seal, unseal

KEY = Key(bytes(range(32)))
BINDING = Binding("assent.test/log", "cred_1", 1, "agt_1", ("payments",))


@given(st.text(max_size=200))
def test_what_was_sealed_opens_again(secret: str) -> None:
    assert unseal(seal(secret, BINDING, KEY), BINDING, KEY) == secret


def test_sealing_twice_gives_nothing_in_common() -> None:
    one, other = seal("hunter2", BINDING, KEY), seal("hunter2", BINDING, KEY)
    assert one.ciphertext != other.ciphertext
    assert one.wrapped_key != other.wrapped_key


@pytest.mark.parametrize(
    "binding",
    [
        replace(BINDING, origin="other.test/log"),
        replace(BINDING, handle="cred_2"),
        replace(BINDING, version=2),
        replace(BINDING, agent_id="agt_2"),
        replace(BINDING, targets=()),
        replace(BINDING, targets=("payments", "elsewhere")),
    ],
)
def test_a_secret_moved_to_another_log_row_version_agent_or_target_does_not_open(binding: Binding) -> None:
    with pytest.raises(KeyProblem, match="does not open"):
        unseal(seal("hunter2", BINDING, KEY), binding, KEY)


def test_the_order_of_the_targets_does_not_matter() -> None:
    sealed = seal("hunter2", replace(BINDING, targets=("b", "a")), KEY)
    assert unseal(sealed, replace(BINDING, targets=("a", "b")), KEY) == "hunter2"


def test_the_wrapped_key_of_another_row_does_not_open_even_with_its_own_secret() -> None:
    # The secret's own binding holds here; what must refuse is the binding of the wrap.
    here, there = seal("hunter2", BINDING, KEY), seal("hunter2", replace(BINDING, handle="cred_2"), KEY)
    with pytest.raises(KeyProblem, match="does not open"):
        unseal(replace(here, wrapped_key=there.wrapped_key), BINDING, KEY)


@pytest.mark.parametrize("first", [0, 2, 255])
@pytest.mark.parametrize("part", ["ciphertext", "wrapped_key"])
def test_a_box_of_another_format_is_refused(part: str, first: int) -> None:
    sealed = seal("hunter2", BINDING, KEY)
    whole: bytes = getattr(sealed, part)
    changed: dict[str, Any] = {part: bytes([first]) + whole[1:]}
    with pytest.raises(KeyProblem, match="does not open"):
        unseal(replace(sealed, **changed), BINDING, KEY)


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_key_of_another_length_is_none(length: int) -> None:
    with pytest.raises(ValueError, match="a key has 32 bytes"):
        Key(bytes(length))


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(KeyProblem, match="does not open"):
        unseal(seal("hunter2", BINDING, KEY), BINDING, Key(bytes(32)))


@pytest.mark.parametrize("part", ["ciphertext", "wrapped_key"])
def test_any_changed_or_missing_byte_is_noticed(part: str) -> None:
    sealed = seal("hunter2", BINDING, KEY)
    whole: bytes = getattr(sealed, part)
    flipped = [whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :] for i in range(len(whole))]
    for changed in (*flipped, whole[:-1], whole[:5], b""):
        with pytest.raises(KeyProblem, match="does not open"):
            unseal(
                Sealed(
                    sealed.kid, **{"ciphertext": sealed.ciphertext, "wrapped_key": sealed.wrapped_key, part: changed}
                ),
                BINDING,
                KEY,
            )


def test_a_ciphertext_of_another_secret_does_not_open_with_this_ones_key() -> None:
    one, other = seal("one", BINDING, KEY), seal("other", BINDING, KEY)
    with pytest.raises(KeyProblem, match="does not open"):
        unseal(replace(one, ciphertext=other.ciphertext), BINDING, KEY)


def test_nothing_of_a_sealed_secret_is_printed() -> None:
    sealed = seal("hunter2", BINDING, KEY)
    assert "ciphertext" not in repr(sealed)
