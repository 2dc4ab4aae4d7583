"""A backup is made of a platform that is being written to, and brought back in another place."""

import json
import threading
import time
from contextlib import closing

from rtcdp.cli.app import run
from rtcdp.log.embedded import EmbeddedLogReader


def test_what_was_acknowledged_before_a_backup_is_exact_in_what_is_brought_back(
    up, rtcdp, tmp_path, capsys
):
    platform = up("--no-generate")
    acknowledged: list[str] = []
    ending = threading.Event()

    def send():
        while not ending.is_set():
            ids = [f"e{len(acknowledged) + number}" for number in range(50)]
            now = time.time_ns() // 1_000_000
            events = [
                {"eventId": each, "userId": f"u{each[-1]}", "timestamp": now, "eventType": kind}
                for each, kind in zip(ids, ["PAGE_VIEW", "PURCHASE"] * 25, strict=True)
            ]
            platform.client.post("/v1/events", json=events).raise_for_status()
            acknowledged.extend(ids)

    sender = threading.Thread(target=send)
    sender.start()
    platform.wait_for(lambda: platform.admitted() > 500)
    before = len(acknowledged)
    made = rtcdp("backup", tmp_path / "copy", "--data-dir", platform.data_dir)
    after = len(acknowledged)
    ending.set()
    sender.join()
    platform.close()
    assert made.returncode == 0, made.stderr
    assert before < after

    new = ("--data-dir", str(tmp_path / "new"))
    assert run(["restore", str(tmp_path / "copy"), *new]) == 0
    with closing(EmbeddedLogReader(tmp_path / "new" / "log")) as log:
        records = log.read(0, 0, 10**9)
    held = [json.loads(record.raw)["eventId"] for record in records.each()]
    assert held == acknowledged[: len(held)]
    assert before <= len(held) <= after + 50
    assert run(["process", "--once", *new]) == 0
    assert run(["verify", "--independent", *new]) == 0
    capsys.readouterr()
    assert run(["ledger", "--json", *new]) == 0
    totals = json.loads(capsys.readouterr().out)["totals"]
    assert totals["received"] == totals["admitted"] == len(held)
