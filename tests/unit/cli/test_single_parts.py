import socket

import pytest

from rtcdp.assembly.locks import Lock


def test_process_once_ends_when_it_has_caught_up(rtcdp, events):
    rtcdp("replay", events)
    done = rtcdp("process", "--once")
    assert (done.code, done.out) == (0, "caught up at epoch 1: 0 records processed\n")


@pytest.mark.parametrize("command", ["collect", "serve"])
def test_a_port_that_is_taken_is_named(rtcdp, command):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = rtcdp(command, "--port", port)
    assert (done.code, f"port {port}" in done.err) == (3, True)


def test_generate_needs_an_address(rtcdp):
    assert rtcdp("generate", "--to", "nowhere").code == 2


def test_one_processor_at_a_time(rtcdp, tmp_path):
    with Lock(tmp_path / "rtcdp-data" / "store.db.processor.lock", "a processor"):
        done = rtcdp("process", "--once")
    assert (done.code, "a processor runs already" in done.err) == (1, True)
