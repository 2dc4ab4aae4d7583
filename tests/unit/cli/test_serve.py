import socket

import pytest


@pytest.mark.parametrize("command", ["collect", "serve"])
def test_a_port_that_is_taken_is_named(rtcdp, command):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = rtcdp(command, "--port", port)
    assert (done.code, f"port {port}" in done.err) == (3, True)
