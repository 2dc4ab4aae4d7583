import socket

import pytest

from rtcdp.errors import PartMissing
from rtcdp.runtime.processes.ports import claim_port, is_listening


@pytest.fixture
def taken():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_any_free_port_is_found_for_0():
    assert claim_port("127.0.0.1", 0) > 0


def test_a_port_that_is_taken_is_said_so_with_what_to_do(taken):
    with pytest.raises(PartMissing, match=f"port {taken} on 127.0.0.1") as caught:
        claim_port("127.0.0.1", taken)
    assert "--port" in caught.value.hint


def test_it_is_seen_whether_someone_listens(taken):
    assert is_listening("127.0.0.1", taken)
    assert not is_listening("127.0.0.1", claim_port("127.0.0.1", 0))
