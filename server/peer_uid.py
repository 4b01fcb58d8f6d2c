"""Which user of this machine is at the other end of a TCP connection, as the kernel tells it.

A peer on this machine has a socket of its own, whose addresses are ours the other way round, and the kernel knows
which user made it. It is asked over netlink (sock_diag), which answers for one connection however many there are; where
that is not allowed, by reading its table of sockets. Both exist on Linux only.
"""

import errno
import os
import socket
import struct
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

Address = IPv4Address | IPv6Address

_SOCK_DIAG = 4
_BY_FAMILY = 20
_ERROR = 2
_REQUEST = 1
_ESTABLISHED = 1
_HEADER = struct.Struct("=IHHII")
_QUERY = struct.Struct("=BBBxI")
_SOCKET_ID = struct.Struct("!HH16s16s")
_NO_COOKIE = struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
_STATE = _HEADER.size + 1
_UID = _HEADER.size + 4 + _SOCKET_ID.size + len(_NO_COOKIE) + 12
_TABLES = ("/proc/self/net/tcp", "/proc/self/net/tcp6")


class Unknowable(Exception):
    """This system does not tell whose sockets are whose."""


@dataclass(frozen=True)
class End:
    """One end of a connection."""

    address: Address
    port: int

    @classmethod
    def of(cls, pair: Any) -> "End | None":
        """From an ASGI `client` or `server`; None for what is no internet address, such as a Unix socket's."""
        try:
            address, port = ip_address(pair[0]), pair[1]
        except (TypeError, ValueError, IndexError):
            return None
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        return cls(mapped or address, int(port or 0))


def uid_of_peer(peer: End, ours: End) -> int | None:
    """The user who owns the peer's socket; None when no socket of this machine is at that end.

    Raises:
        Unknowable: the kernel cannot be asked.
    """
    if sys.platform != "linux":
        raise Unknowable
    try:
        return _from_netlink(peer, ours)
    except OSError:
        pass
    try:
        return uid_in_tables((Path(table).read_text("ascii") for table in _TABLES if os.path.exists(table)), peer, ours)
    except OSError as error:
        raise Unknowable from error


def _from_netlink(peer: End, ours: End) -> int | None:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _SOCK_DIAG) as kernel:
        kernel.settimeout(1)
        kernel.send(question(peer, ours))
        return uid_in_answer(kernel.recv(4096))


def question(peer: End, ours: End) -> bytes:
    """A sock_diag request for exactly the socket whose local end is `peer`."""
    family = socket.AF_INET if peer.address.version == 4 else socket.AF_INET6
    body = (
        _QUERY.pack(family, socket.IPPROTO_TCP, 0, 1 << _ESTABLISHED)
        + _SOCKET_ID.pack(peer.port, ours.port, peer.address.packed, ours.address.packed)
        + _NO_COOKIE
    )
    return _HEADER.pack(_HEADER.size + len(body), _BY_FAMILY, _REQUEST, 1, 0) + body


def uid_in_answer(answer: bytes) -> int | None:
    """The owner that the kernel's answer names; None when it knows no such open connection.

    Raises:
        OSError: it refused the question.
    """
    _, kind, _, _, _ = _HEADER.unpack_from(answer)
    if kind == _ERROR:
        (code,) = struct.unpack_from("=i", answer, _HEADER.size)
        if code == -errno.ENOENT:
            return None
        raise OSError(-code, "sock_diag")
    # A connection that is only remembered (TIME_WAIT) is listed under root, whoever made it.
    if kind != _BY_FAMILY or answer[_STATE] != _ESTABLISHED:
        return None
    (uid,) = struct.unpack_from("=I", answer, _UID)
    return int(uid)


def uid_in_tables(tables: Iterable[str], peer: End, ours: End) -> int | None:
    """The same from the text of /proc/net/tcp and /proc/net/tcp6."""
    wanted = {(_hex(one), _hex(other)) for one, other in ((peer, ours), (_as_ipv6(peer), _as_ipv6(ours)))}
    for table in tables:
        for line in table.splitlines()[1:]:
            columns = line.split()
            if len(columns) > 7 and (columns[1], columns[2]) in wanted and int(columns[3], 16) == _ESTABLISHED:
                return int(columns[7])
    return None


def _hex(end: End) -> str:
    """An end as the kernel's tables write it: words of 32 bits in the machine's own order."""
    packed = end.address.packed
    words = (int.from_bytes(packed[at : at + 4], sys.byteorder) for at in range(0, len(packed), 4))
    return "".join(f"{word:08X}" for word in words) + f":{end.port:04X}"


def _as_ipv6(end: End) -> End:
    if isinstance(end.address, IPv6Address):
        return end
    return End(IPv6Address(b"\0" * 10 + b"\xff\xff" + end.address.packed), end.port)
