"""The guard that the other tests rely on."""

import socket
import sys

import pytest
from executable import Executable


@pytest.mark.parametrize("host", ["192.0.2.1", "example.org", "2001:db8::1"])
def test_no_test_reaches_the_network(host: str) -> None:
    with pytest.raises(ConnectionRefusedError, match="reached for the network"):
        socket.create_connection((host, 80), timeout=1)


def test_no_started_process_reaches_the_network(medfm: Executable) -> None:
    code = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=1)"
    done = medfm("-c", code, command=(sys.executable,))
    assert done.code == 1
    assert "reached for the network" in done.stderr


def test_loopback_is_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
