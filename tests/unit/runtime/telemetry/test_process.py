"""What every process tells of itself."""

import threading
import time
from pathlib import Path

from rtcdp.runtime.processes.supervisor import RESTARTS_VARIABLE
from rtcdp.runtime.settings import Settings
from rtcdp.runtime.telemetry.process import process_registry


def test_files_disks_and_restarts(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "log.db").write_bytes(b"12345")
    (tmp_path / "log" / "log.db-wal").write_bytes(b"123")
    (tmp_path / "store.db").write_bytes(b"1")
    registry = process_registry(Settings(data_dir=tmp_path), "http", {RESTARTS_VARIABLE: "4"})
    value = registry.get_sample_value
    assert value("rtcdp_files_bytes", {"place": "log"}) == 8
    assert value("rtcdp_wal_bytes", {"place": "log"}) == 3
    assert value("rtcdp_files_bytes", {"place": "store"}) == 1
    assert value("rtcdp_disk_free_bytes", {"place": "store"}) > 0
    assert value("rtcdp_part_restarts_total", {"part": "http"}) == 4


def test_what_is_not_there_yet_or_on_a_server_is_left_out(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "none", store="postgresql://db/rtcdp")
    value = process_registry(settings, "api", {}).get_sample_value
    assert value("rtcdp_files_bytes", {"place": "log"}) == 0
    assert value("rtcdp_disk_free_bytes", {"place": "log"}) is None
    assert value("rtcdp_files_bytes", {"place": "store"}) is None
    assert value("rtcdp_part_restarts_total", {"part": "api"}) == 0


def test_processor_time_is_told_by_the_names_of_threads(tmp_path: Path) -> None:
    """Not by their numbers: as many labels there would be as there ever were threads."""
    worked, over = threading.Event(), threading.Event()

    def work() -> None:
        while time.thread_time() < 0.1:
            pass
        worked.set()
        over.wait()

    registry = process_registry(Settings(data_dir=tmp_path), "http", {})
    thread = threading.Thread(target=work, name="worker_7")
    thread.start()
    try:
        assert worked.wait(30)
        found = {
            sample.labels["thread"]: sample.value
            for family in registry.collect()
            for sample in family.samples
            if sample.name == "rtcdp_thread_cpu_seconds_total"
        }
    finally:
        over.set()
        thread.join()
    assert found["worker"] >= 0.05
    assert {"MainThread", "other"} < found.keys()
    assert sum(found.values()) <= time.process_time() + 0.1
