"""The real server behind TLS: with a certificate of its own, and behind a proxy that is named."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.server.house import PASSWORD, House, house_in
from tests.server.talking import run

NAMES = ("localhost", "assent.localhost", "assent.example")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = house_in(tmp_path)
    yield house
    house.clear()


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "assent")])
    alternatives = [*(x509.DNSName(each) for each in NAMES), x509.IPAddress(ip_address("127.0.0.1"))]
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    key_file.chmod(0o600)
    return cert_file, key_file


def client_for(base_url: str, certificate: Path, **headers: str) -> httpx2.Client:
    trust = ssl.create_default_context(cafile=str(certificate))
    return httpx2.Client(base_url=base_url, verify=trust, trust_env=False, headers=headers)


def sign_in(client: httpx2.Client) -> httpx2.Response:
    return client.post("/login", data={"username": "ada", "password": PASSWORD})


def test_with_an_own_certificate_people_sign_in_over_tls_with_cookies_for_tls_only(
    house: House, pair: tuple[Path, Path]
) -> None:
    house.add_reviewer()
    said = house.serve("--tls-cert", str(pair[0]), "--tls-key", str(pair[1]))
    with client_for(said["endpoint"], pair[0], host=said["url"].removeprefix("https://")) as client:
        cookie = sign_in(client).headers["set-cookie"]
        page = client.get("/login")

    assert said["url"].startswith("https://assent.localhost:")
    assert cookie.startswith("__Host-")
    assert {"secure", "httponly", "samesite=strict"} <= {part.strip().lower() for part in cookie.split(";")}
    assert "strict-transport-security" not in page.headers
    assert run("status", *house.flags).returncode == 0


def test_a_port_that_speaks_tls_answers_nothing_in_clear(house: House, pair: tuple[Path, Path]) -> None:
    said = house.serve("--tls-cert", str(pair[0]), "--tls-key", str(pair[1]))

    with pytest.raises(httpx2.TransportError):
        httpx2.get(said["endpoint"].replace("https:", "http:") + "/healthz", trust_env=False)


def test_under_a_public_address_browsers_are_told_to_stay_with_tls(house: House, pair: tuple[Path, Path]) -> None:
    port = str(free_port())
    public = ("--public-url", "https://assent.example", "--port", port)
    house.serve("--tls-cert", str(pair[0]), "--tls-key", str(pair[1]), *public)
    with client_for(f"https://localhost:{port}", pair[0], host="assent.example") as client:
        page = client.get("/login")

    assert page.headers["strict-transport-security"] == "max-age=31536000"


class Proxy(ThreadingHTTPServer):
    """A small reverse proxy: TLS in front, plain HTTP behind, and the two headers that it sets itself."""

    def __init__(self, pair: tuple[Path, Path], behind: int) -> None:
        super().__init__(("127.0.0.1", 0), Forward)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*pair)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.behind = behind
        self.scheme = "https"


class Forward(BaseHTTPRequestHandler):
    server: Proxy

    def do_GET(self) -> None:
        length = int(self.headers.get("content-length", 0))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("connection",)}
        headers |= {"X-Forwarded-For": "203.0.113.4", "X-Forwarded-Proto": self.server.scheme}
        connection = HTTPConnection("127.0.0.1", self.server.behind, timeout=10)
        connection.request(self.command, self.path, self.rfile.read(length) or None, headers)
        answer = connection.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        connection.close()

    do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def proxied(house: House, pair: tuple[Path, Path], scheme: str = "https") -> Iterator[str]:
    """The address of a proxy in front of this house's server."""
    house.serve("--public-url", "https://assent.example", "--trusted-proxy", "127.0.0.1")
    proxy = Proxy(pair, house_port(house))
    proxy.scheme = scheme
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"https://localhost:{proxy.server_port}"
    finally:
        proxy.shutdown()
        thread.join()
        proxy.server_close()


def house_port(house: House) -> int:
    """Where this house's server listens, though its public address does not tell."""
    endpoint = httpx2.URL(json.loads(house.home.run_file.read_text("utf-8"))["endpoint"])
    assert endpoint.port is not None
    return endpoint.port


def free_port() -> int:
    """A port that was free just now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def test_behind_a_named_proxy_people_sign_in_and_write_under_the_public_address(
    house: House, pair: tuple[Path, Path]
) -> None:
    house.add_reviewer()
    with (
        proxied(house, pair) as url,
        client_for(url, pair[0], host="assent.example", origin="https://assent.example") as client,
    ):
        signed_in = sign_in(client)
        client.headers["cookie"] = signed_in.headers["set-cookie"].partition(";")[0]
        signed_out = client.post("/logout")

    assert signed_in.status_code == 303
    assert signed_in.headers["set-cookie"].startswith("__Host-")
    assert signed_in.headers["strict-transport-security"] == "max-age=31536000"
    assert signed_out.status_code == 303


@pytest.mark.parametrize("origin", ["http://assent.example", "https://evil.example", "https://assent.example:7420"])
def test_behind_a_proxy_only_the_public_https_origin_writes(house: House, pair: tuple[Path, Path], origin: str) -> None:
    house.add_reviewer()
    with proxied(house, pair) as url, client_for(url, pair[0], host="assent.example", origin=origin) as client:
        assert sign_in(client).status_code == 403


def test_a_proxy_that_was_reached_in_clear_leads_to_tls_and_takes_no_password(
    house: House, pair: tuple[Path, Path]
) -> None:
    house.add_reviewer()
    with (
        proxied(house, pair, "http") as url,
        client_for(url, pair[0], host="assent.example", origin="https://assent.example") as client,
    ):
        page, posted = client.get("/login"), sign_in(client)

    assert (page.status_code, page.headers["location"]) == (308, "https://assent.example/login")
    assert posted.status_code == 403
