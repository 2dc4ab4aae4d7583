import socket

import pytest

from rtcdp.cli.up import (
    FOLDS_OF,
    LEDGER_TOTALS,
    REQUIRE_REACHABLE,
    ROLES,
    RUN_HTTP_SERVER,
    WATCH,
    _parts,
)
from rtcdp.runtime.deferred import deferred
from rtcdp.runtime.processes.locks import Lock
from rtcdp.runtime.settings import Settings


@pytest.mark.parametrize(
    "name", [WATCH, LEDGER_TOTALS, FOLDS_OF, REQUIRE_REACHABLE, ROLES, RUN_HTTP_SERVER]
)
def test_what_it_imports_later_is_there(name):
    assert callable(deferred(name))


def test_a_second_one_on_the_same_folder_is_refused(rtcdp, tmp_path):
    with Lock(tmp_path / "rtcdp-data" / "up.lock", "rtcdp"):
        done = rtcdp("up", "--port", 0)
    assert (done.code, "runs already" in done.err, "--data-dir" in done.err) == (1, True, True)


def test_a_port_that_is_taken_is_named_and_no_folder_is_made(rtcdp, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        for _ in range(2):
            done = rtcdp("up", "--port", server.getsockname()[1])
            assert (done.code, "--port" in done.err) == (3, True)
    assert list(tmp_path.iterdir()) == []


def test_a_catalog_with_a_mistake_is_told_before_anything_starts(rtcdp, tmp_path):
    (tmp_path / "wrong.py").write_text("METRIC = 1")
    done = rtcdp("up", "--port", 0, "--catalog", tmp_path)
    assert (done.code, "wrong.py: there is no METRIC in it" in done.err) == (2, True)
    assert rtcdp("up", "--port", 0, "--folds", "sesions").code == 2
    assert not (tmp_path / "rtcdp-data").exists()


def test_only_intake_is_so_vital_that_all_ends_with_it(tmp_path):
    parts = _parts(Settings(data_dir=tmp_path), with_generator=True)
    assert {part.name: part.is_vital for part in parts} == {
        "generator": False,
        "http": True,
        "processor": False,
    }


@pytest.mark.parametrize("command", ["collect", "serve"])
def test_a_port_that_is_taken_is_named(rtcdp, command):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = rtcdp(command, "--port", port)
    assert (done.code, f"port {port}" in done.err) == (3, True)
