import socket

import pytest

from rtcdp.errors import PartMissing
from rtcdp.runtime.http.listening import SEND_BUFFER_BYTES, listening_socket
from rtcdp.runtime.settings import Settings


def test_what_it_accepts_is_cut_off_when_it_takes_nothing() -> None:
    with listening_socket(Settings(port=0)) as listener:
        with socket.create_connection(listener.getsockname()):
            accepted, _ = listener.accept()
        with accepted:
            timeout_ms = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            # Linux doubles what it is asked for, to have room for its own bookkeeping.
            buffer = accepted.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
    assert timeout_ms == Settings().http.write_timeout_s * 1000
    assert buffer <= 2 * SEND_BUFFER_BYTES


def test_a_port_that_is_taken_says_so() -> None:
    with listening_socket(Settings(port=0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(PartMissing, match=f"port {port}"):
            listening_socket(Settings(port=port))
