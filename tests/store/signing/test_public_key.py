from contextlib import suppress

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.signing.public_key import PublicKeyProblem, load_public_key
from tests.store.signing.key_in_software import AnyKey, EdDsaKey, Es256Key, Rs256Key

ES256 = Es256Key()


@pytest.mark.parametrize("key", [ES256, EdDsaKey(), Rs256Key()], ids=["ES256", "EdDSA", "RS256"])
def test_each_kind_of_key_that_registration_offers_checks_its_signatures(key: AnyKey) -> None:
    load_public_key(key.cose).verify(key.sign(b"something"), b"something")


@pytest.mark.parametrize(
    "changed",
    [
        {1: 1},
        {3: -8},
        {3: -35},
        {-1: 2},
        {-2: b"short"},
        {-2: bytes(32)},
        {-3: 7},
        {1: b"\x02"},
    ],
    ids=str,
)
def test_a_key_of_another_kind_or_off_its_curve_is_none(changed: dict[int, object]) -> None:
    with pytest.raises(PublicKeyProblem):
        load_public_key(cbor2.dumps({**ES256.members, **changed}))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xa1",
        b"\xa1\x01",
        b"\x02",
        b"\xa2\x01\x02\x01\x02",
        b"\xbf\x01\x02\xff",
        b"\xa1\x01\xf4",
        b"\xa1\x01\x44\x00",
        b"\xa1\x61a\x02",
        b"\xbb" + b"\xff" * 8,
        ES256.cose + b"\x00",
        ES256.cose[:-1],
        cbor2.dumps([1, 2]),
        cbor2.dumps({1: 3, 3: -257, -1: bytes(128), -2: b"\x01\x00\x01"}),
        cbor2.dumps({1: 3, 3: -257, -1: b"\xff" * 256, -2: b"\x00"}),
        cbor2.dumps({1: 3, 3: -257, -1: b"\xff" * 256, -2: b"\xff" * 256}),
        cbor2.dumps({1: 3, 3: -257, -1: 7, -2: 3}),
    ],
    ids=lambda data: data[:8].hex(),
)
def test_bytes_that_are_no_key_are_refused(data: bytes) -> None:
    with pytest.raises(PublicKeyProblem):
        load_public_key(data)


_LABELS = st.sampled_from([1, 3, -1, -2, -3]) | st.integers(-300, 300)
_VALUES = st.integers(-300, 300) | st.binary(max_size=40) | st.sampled_from([bytes(32), bytes(256)])


@given(st.binary(max_size=80) | st.dictionaries(_LABELS, _VALUES, max_size=6).map(cbor2.dumps))
def test_whatever_bytes_come_they_are_a_key_or_refused(data: bytes) -> None:
    with suppress(PublicKeyProblem):
        load_public_key(data)
