"""Where a push service's address really leads, and what its answers mean."""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import anyio
import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from server.push.service import Arrived, Gone, Later, Outcome, PushService, Refused, is_public
from server.push.web_push import CURVE, PushKey
from server.push.words import on_trial
from store.push.work import Addressee
from tests.push_station import Phone, Station, point, station

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
KEY = PushKey(ec.generate_private_key(CURVE))
ANYWHERE = PushService(KEY, "mailto:ops@a.example", reachable=lambda _: True)


@pytest.fixture
def push() -> Iterator[Station]:
    with station() as found:
        yield found


def addressee(phone: Phone) -> Addressee:
    return Addressee("dev_1", phone.endpoint, point(phone.key), phone.secret)


async def send(phone: Phone, service: PushService = ANYWHERE) -> Outcome:
    async with service.client() as client:
        return await service.send(client, addressee(phone), on_trial(), NOW)


async def test_a_message_arrives_sealed_and_signed_with_what_the_service_needs_to_know(push: Station) -> None:
    phone = push.phone()

    assert await send(phone) == Arrived()
    arrived = push.next()
    assert phone.read(arrived.body)["tag"] == "test"
    claims, key = arrived.claims()
    assert (claims["aud"], claims["sub"], key) == (push.origin, "mailto:ops@a.example", KEY.public)
    assert {name: arrived.headers[name] for name in ("ttl", "urgency", "content-encoding", "host")} == {
        "ttl": "600",
        "urgency": "high",
        "content-encoding": "aes128gcm",
        "host": push.origin.removeprefix("http://"),
    }


@pytest.mark.parametrize(
    ("status", "headers", "outcome"),
    [
        (200, {}, Arrived()),
        (404, {}, Gone()),
        (410, {}, Gone()),
        (429, {"Retry-After": "7"}, Later("the push service answered 429", 7.0)),
        (429, {"Retry-After": "99999"}, Later("the push service answered 429", 300.0)),
        (503, {"Retry-After": "Sun, 22 Nov 2026 09:00:00 GMT"}, Later("the push service answered 503", 0.0)),
        (403, {}, Refused("the push service answered 403")),
        (302, {"Location": "http://127.0.0.1:1/elsewhere"}, Refused("the push service answered 302")),
    ],
)
async def test_what_the_service_answers_is_understood_and_no_redirect_is_followed(
    push: Station, status: int, headers: dict[str, str], outcome: Outcome
) -> None:
    push.answers.put((status, headers))

    assert await send(push.phone()) == outcome


async def test_a_name_that_leads_into_our_own_network_is_not_called(push: Station) -> None:
    service = PushService(KEY, None)

    refused = Refused("the push service's name leads to no public address")
    assert await send(push.phone(), service) == refused
    assert await send(Phone(f"http://localhost:{push.server_port}/push"), service) == refused
    assert push.arrived.empty()


async def test_a_service_that_is_not_there_is_tried_later(push: Station) -> None:
    outcome = await send(Phone("http://127.0.0.1:1/push"))

    assert isinstance(outcome, Later)
    assert "cannot be reached" in outcome.reason


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("142.250.1.1", True),
        ("2a00:1450:4001:800::1", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fd00::1", False),
        ("fe80::1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::8efa:101", True),
        ("2002:7f00:1::", False),
        ("::7f00:1", False),
        ("::ffff:0:10.0.0.1", False),
        ("64:ff9b:1::a00:1", False),
        ("fec0::1", False),
        ("ff02::1", False),
    ],
)
def test_only_addresses_of_the_open_internet_are_public(address: str, public: bool) -> None:
    assert is_public(ip_address(address)) is public


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    key = ec.generate_private_key(CURVE)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "push")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_file, key_file


@pytest.mark.parametrize(("name", "arrives"), [("localhost", True), ("elsewhere.example", False)])
async def test_the_number_is_called_and_the_certificate_must_be_the_names(
    push: Station, tmp_path: Path, name: str, arrives: bool
) -> None:
    cert_file, key_file = certificate(tmp_path, name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert_file, key_file)
    push.socket = context.wrap_socket(push.socket, server_side=True)
    trust = ssl.create_default_context(cafile=str(cert_file))
    async with httpx2.AsyncClient(verify=trust, trust_env=False) as client:
        phone = Phone(f"https://localhost:{push.server_port}/push")
        only_ipv4 = PushService(KEY, None, reachable=lambda address: address.version == 4)
        outcome = await only_ipv4.send(client, addressee(phone), on_trial(), NOW)

    assert isinstance(outcome, Arrived if arrives else Later), outcome


async def test_a_service_that_never_answers_is_left_after_a_while(
    push: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.push.service.SECONDS", 0.05)
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as silent:
        port = silent.extra(anyio.abc.SocketAttribute.local_port)
        outcome = await send(Phone(f"http://127.0.0.1:{port}/push"))

    assert isinstance(outcome, Later)
