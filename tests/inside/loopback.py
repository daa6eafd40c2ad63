"""Forbid every connection but to this machine itself, in this process and for good."""

import sys
from typing import Any

ADDRESS = {"socket.connect": 1, "socket.sendto": 1, "socket.getaddrinfo": 0}
"""Audit events that lead to the network, and which of their arguments says where to."""


class NetworkUsed(ConnectionRefusedError):
    """Something reached for the network."""


def only() -> None:
    """From now on, let this process talk to the loopback interface only."""
    sys.addaudithook(_hook)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in ADDRESS:
        return
    address = arguments[ADDRESS[event]]
    host = address[0] if isinstance(address, tuple) else address
    if event != "socket.getaddrinfo" and not isinstance(address, tuple):
        return  # a Unix socket
    name = host.decode() if isinstance(host, bytes) else host
    if name and not name.startswith(("localhost", "127.", "::1")):
        raise NetworkUsed(f"a test reached for the network: {name}")
