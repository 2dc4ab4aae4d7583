"""Whatever is sent to the addresses of the OpenAPI description, right or wrong, one request or
several in a row: the answer is one that it describes, and never a 5xx."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from rtcdp.admission.rules import AdmissionRules
from rtcdp.catalog.catalog import load_catalog
from rtcdp.clock import SystemClock
from rtcdp.engines.native.processor import Processor
from rtcdp.log.embedded import EmbeddedLogReader
from rtcdp.runtime.http.server import run_http_server
from rtcdp.runtime.processes.ports import claim_port, is_listening
from rtcdp.runtime.settings import Settings
from rtcdp.store.sqlite import SqliteStore

CONFIG = Path(__file__).with_name("schemathesis.toml")
EXAMPLES = 8
SECONDS = 40


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A server and an engine, with events of each verdict."""
    settings = Settings(data_dir=tmp_path, port=claim_port("127.0.0.1", 0))
    clock, stop = SystemClock(), threading.Event()
    server = threading.Thread(target=run_http_server, args=(settings, clock, stop))
    server.start()
    while not is_listening(settings.host, settings.port):
        assert server.is_alive()
        time.sleep(0.02)
    now_ms = clock.now_ms()
    view = {"userId": "ada", "eventType": "PAGE_VIEW", "timestamp": now_ms, "eventId": "1"}
    events = [view, view, {**view, "eventId": "2", "timestamp": 0}, {}]
    httpx.post(f"{settings.base_url}/v1/events", json=events, timeout=60).raise_for_status()
    with (
        closing(EmbeddedLogReader(settings.log_path)) as log,
        closing(SqliteStore(settings.store_path)) as store,
    ):
        processor = Processor(log, store, load_catalog(), AdmissionRules(), clock)
        engine = threading.Thread(target=processor.run, args=(stop,))
        engine.start()
        yield settings.base_url
        stop.set()
        engine.join()
    server.join()


def test_every_answer_is_as_described_and_none_is_a_5xx(url: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG)]
    command += ["run", f"{url}/openapi.json", "--exclude-path", "/api/live", "--mode", "all"]
    command += ["--phases", "examples,coverage,fuzzing,stateful", "--continue-on-failure"]
    command += ["--max-examples", str(EXAMPLES), "--max-time", str(SECONDS)]
    command += ["--generation-deterministic", "--no-color", "--request-timeout", "60"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-2_000:]
    for phase in ("Coverage", "Fuzzing", "Stateful"):
        assert f"{phase} (in" in run.stdout
