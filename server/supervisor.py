"""What systemd is told about this process (`Type=notify`): that it answers now, that it is ending."""

import contextlib
import os
import socket

READY = "READY=1"
STOPPING = "STOPPING=1"


def tell(state: str) -> None:
    """Say so to whoever supervises this process; to nobody where nobody asked."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    # A supervisor that does not listen is no reason to serve nobody.
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as wire:
        wire.connect("\0" + address[1:] if address.startswith("@") else address)
        wire.send(state.encode())
