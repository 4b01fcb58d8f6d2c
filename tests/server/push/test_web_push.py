"""The bytes of web push: those of the RFC's own example, and those that another implementation reads."""

import secrets
from datetime import UTC, datetime

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec

from server.push.web_push import CURVE, MOST_BYTES, PushKey, authorization, base64url, sealed
from tests.push_station import Phone, Push, unpadded

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def test_the_example_of_the_rfc_comes_out_byte_for_byte() -> None:
    """RFC 8291, section 5 and appendix A."""
    number = int.from_bytes(unpadded("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"), "big")
    body = sealed(
        b"When I grow up, I want to be a watermelon",
        unpadded("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"),
        unpadded("BTBZMqHH6r4Tts7J_aSIgg"),
        ephemeral=ec.derive_private_key(number, CURVE),
        salt=unpadded("DGv6ra1nlYgDCS1FRnbzlw"),
    )

    assert base64url(body) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl"
        "7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )


def sealed_for(phone: Phone, message: bytes) -> bytes:
    keys = phone.subscription["keys"]
    return sealed(
        message,
        unpadded(keys["p256dh"]),
        unpadded(keys["auth"]),
        ephemeral=ec.generate_private_key(CURVE),
        salt=secrets.token_bytes(16),
    )


def test_only_the_browser_that_subscribed_reads_a_message() -> None:
    phone, other = Phone("https://push.example/1"), Phone("https://push.example/2")
    body = sealed_for(phone, b'{"title": "Deploy?"}')

    assert phone.read(body) == {"title": "Deploy?"}
    with pytest.raises(InvalidTag):
        other.read(body)


def test_a_message_that_does_not_fit_one_record_is_refused() -> None:
    assert len(sealed_for(Phone("https://push.example/1"), b"x" * MOST_BYTES)) == 4096
    with pytest.raises(ValueError, match="a push holds"):
        sealed_for(Phone("https://push.example/1"), b"x" * (MOST_BYTES + 1))


@pytest.mark.parametrize(("contact", "more"), [(None, {}), ("mailto:ops@a.example", {"sub": "mailto:ops@a.example"})])
def test_the_token_is_signed_for_the_push_services_origin_and_no_other(
    contact: str | None, more: dict[str, str]
) -> None:
    key = PushKey(ec.generate_private_key(CURVE))
    header = authorization(key, "https://push.example:443/send/abc?d=e", NOW, contact)

    assert Push("", {"authorization": header}, b"").claims() == (
        {"aud": "https://push.example:443", "exp": int(NOW.timestamp()) + 12 * 3600, **more},
        key.public,
    )
