"""How people and agents reach the server: addresses, TLS and its certificate, the proxy that is believed."""

import stat
from datetime import datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from server.addresses import is_loopback
from server.config import Settings
from server.doctor.findings import Finding, note, unsafe, weak

SOON = timedelta(days=14)
MANY = 256


def reach(settings: Settings) -> list[Finding]:
    host = urlsplit(settings.page_url).hostname or ""
    if settings.on_loopback and is_loopback(host):
        return [
            note(
                "loopback-only",
                f"Only this machine reaches the page, at {settings.page_url}.",
                "While no server runs, another user's program could take that port and look like Assent's page.",
                "for other machines, or against that: public_url with a certificate (docs/deploy.md)",
            )
        ]
    return []


def phones(settings: Settings) -> list[Finding]:
    """Whether people are told of new questions where they are."""
    if not settings.push:
        return [
            note(
                "push-off",
                "Nobody's phone or browser is told of new questions: push is off.",
                "Whoever does not look at the page learns of a question too late.",
                "push = true, where the server may reach the internet (docs/phone.md)",
            )
        ]
    if is_loopback(urlsplit(settings.page_url).hostname or ""):
        return [
            note(
                "no-phones",
                f"Browsers here can be told of new questions, phones cannot: {settings.page_url} is here only.",
                "A phone shows notifications of a page that it can open, by https.",
                "public_url, by Caddy or Tailscale: docs/phone.md",
            )
        ]
    return []


def proxy(settings: Settings) -> list[Finding]:
    found = []
    for part in filter(None, (settings.trusted_proxy or "").split(",")):
        network = ip_network(part)
        if network.num_addresses > MANY:
            found.append(
                weak(
                    "wide-proxy",
                    f"trusted_proxy names {network.num_addresses} addresses ({network}).",
                    "Each of them may say whom it speaks for, and so evade the limits on signing in.",
                    'name the proxy\'s own address: trusted_proxy = "10.0.0.5"',
                )
            )
        elif network.is_loopback:
            found.append(
                note(
                    "local-proxy",
                    "The proxy is on this machine, and believed by its address.",
                    "Every local program shares that address, and may say that it speaks for any other: the limits on "
                    "signing in believe it. What the log claims about callers does not.",
                    "nothing, unless other people's programs run here: then TLS by an own certificate",
                )
            )
    return found


def certificate(settings: Settings, now: datetime) -> list[Finding]:
    """Raises nothing: a certificate that cannot be read is a finding."""
    if settings.tls_cert is None or settings.tls_key is None:
        return []
    try:
        leaf = x509.load_pem_x509_certificates(settings.tls_cert.read_bytes())[0]
    except (OSError, ValueError, IndexError) as problem:
        return [
            unsafe(
                "certificate-unreadable",
                f"The certificate {settings.tls_cert} cannot be read: {problem}.",
                "The server will not start with it.",
                "tls_cert must name a chain in PEM that the server's user may read",
            )
        ]
    return [*_lifetime(leaf, settings.tls_cert, now), *_names(leaf, settings), *_key(settings.tls_key)]


def _lifetime(leaf: x509.Certificate, path: Path, now: datetime) -> list[Finding]:
    end = leaf.not_valid_after_utc
    if now >= end or now < leaf.not_valid_before_utc:
        return [
            unsafe(
                "certificate-expired",
                f"The certificate {path} is not valid now, but from {leaf.not_valid_before_utc:%F} to {end:%F}.",
                "Browsers and agents refuse it, and people learn to click warnings away.",
                "renew it, then restart the server",
            )
        ]
    if end - now < SOON:
        return [
            weak(
                "certificate-ends-soon",
                f"The certificate {path} ends on {end:%Y-%m-%d}.",
                "From then on nobody gets in. The server reads it at its start only.",
                "renew it, then restart the server",
            )
        ]
    return []


def _names(leaf: x509.Certificate, settings: Settings) -> list[Finding]:
    host = urlsplit(settings.page_url).hostname or ""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = x509.SubjectAlternativeName([])
    known = {*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))}
    parent = "*." + host.partition(".")[2]
    if host in known or parent in known:
        return []
    return [
        weak(
            "certificate-names-another",
            f"The certificate is for {', '.join(sorted(known)) or 'nobody'}, and people come to {host}.",
            "Browsers refuse it under that name, and people learn to click warnings away.",
            "give a certificate for that name, or another public_url",
        )
    ]


def _key(path: Path) -> list[Finding]:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return []
    if not mode & 0o077:
        return []
    return [
        unsafe(
            "certificate-key-open",
            f"The certificate's key {path} is open to other users (mode {mode:o}).",
            "Whoever has it can be this server, and read what people type.",
            f"chmod 600 {path}",
        )
    ]
