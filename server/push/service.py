"""One message to one push service: where its address really leads, and what the service says to it.

The address came from a browser. It is resolved anew each time, and only a public one is called, by the very number that
was looked at: a name that leads into our own network, now or a moment later, opens nothing there.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from socket import IPPROTO_TCP, SOCK_STREAM
from urllib.parse import urlsplit

import anyio
import httpx2
from cryptography.hazmat.primitives.asymmetric import ec

from server.push.web_push import CURVE, PushKey, authorization, sealed
from server.push.words import Message
from store.push.work import Addressee

SECONDS = 10.0
LONGEST_PAUSE = 300.0
_TRANSLATED = IPv6Network("64:ff9b::/96")  # NAT64 (RFC 6052): an IPv4 address in the last four bytes
_UNICAST = IPv6Network("2000::/3")
"""What IPv6 hands out to the internet. The rest is local, or leads on to an IPv4 address in forms that come and go:
`::a.b.c.d`, `::ffff:0:a.b.c.d`, `64:ff9b:1::/48`, `fec0::/10`."""

Reachable = Callable[[IPv4Address | IPv6Address], bool]


@dataclass(frozen=True)
class Arrived:
    """The push service has it."""


@dataclass(frozen=True)
class Gone:
    """There is no such subscription any more."""


@dataclass(frozen=True)
class Later:
    """It may work another time; not before `seconds`, if the service said so."""

    reason: str
    seconds: float = 0.0


@dataclass(frozen=True)
class Refused:
    """Trying again would change nothing."""

    reason: str


Outcome = Arrived | Gone | Later | Refused


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is one of the open internet, seen through the forms that hide an IPv4 one."""
    if isinstance(address, IPv6Address):
        inside = IPv4Address(int(address) & 0xFFFFFFFF) if address in _TRANSLATED else None
        address = inside or address.ipv4_mapped or address.sixtofour or address
    if isinstance(address, IPv6Address) and address not in _UNICAST:
        return False
    return address.is_global and not address.is_multicast


class PushService:
    """Sends to whatever service an address names. `reachable` says which numbers may be called."""

    def __init__(self, key: PushKey, contact: str | None, *, reachable: Reachable = is_public) -> None:
        self._key = key
        self._contact = contact
        self._reachable = reachable

    def client(self) -> httpx2.AsyncClient:
        """What messages are sent with, to be closed. It follows no redirect and takes no proxy from the environment."""
        return httpx2.AsyncClient(timeout=SECONDS, follow_redirects=False, trust_env=False)

    async def send(self, client: httpx2.AsyncClient, to: Addressee, message: Message, now: datetime) -> Outcome:
        """Hand one message over. Raises nothing that a service or the network can cause."""
        try:
            with anyio.fail_after(SECONDS):
                return await self._send(client, to, message, now)
        except (httpx2.HTTPError, OSError, TimeoutError) as problem:
            return Later(f"the push service cannot be reached ({type(problem).__name__})")

    async def _send(self, client: httpx2.AsyncClient, to: Addressee, message: Message, now: datetime) -> Outcome:
        parts = urlsplit(to.endpoint)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        address = await self._address(host, port)
        if address is None:
            return Refused("the push service's name leads to no public address")
        body = sealed(
            message.payload,
            to.p256dh,
            to.auth,
            ephemeral=ec.generate_private_key(CURVE),
            salt=secrets.token_bytes(16),
        )
        headers = {
            "Host": parts.netloc,
            "Authorization": authorization(self._key, to.endpoint, now, self._contact),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(int(message.lifetime.total_seconds())),
            "Urgency": "high" if message.urgent else "normal",
            "Topic": message.topic,
        }
        number = f"[{address}]" if address.version == 6 else str(address)
        url = parts._replace(netloc=f"{number}:{port}").geturl()
        # The certificate is checked for the name, while the connection goes to the number.
        request = client.build_request("POST", url, content=body, headers=headers, extensions={"sni_hostname": host})
        answer = await client.send(request, stream=True)
        await answer.aclose()  # the body is nothing to us, however long it is
        return _understood(answer)

    async def _address(self, host: str, port: int) -> IPv4Address | IPv6Address | None:
        found = await anyio.getaddrinfo(host, port, type=SOCK_STREAM, proto=IPPROTO_TCP)
        addresses = [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
        return next((each for each in addresses if self._reachable(each)), None)


def _understood(answer: httpx2.Response) -> Outcome:
    status = answer.status_code
    if 200 <= status < 300:
        return Arrived()
    if status in (404, 410):
        return Gone()
    if status == 429 or status >= 500:
        asked = answer.headers.get("retry-after", "")
        seconds = float(asked) if asked.isascii() and asked.isdigit() else 0.0
        return Later(f"the push service answered {status}", min(seconds, LONGEST_PAUSE))
    return Refused(f"the push service answered {status}")
