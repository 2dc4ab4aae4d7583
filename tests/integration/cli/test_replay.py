"""From a recorded file to answers that a second, naive computation agrees with."""

import subprocess
import sys
import time

from rtcdp.log.contract import LogUnavailable
from rtcdp.log.embedded import EmbeddedLogReader


def test_a_shop_s_day_is_counted_to_the_last_line_and_verified(rtcdp, shop, tmp_path):
    replayed = rtcdp("replay", shop, "--mapping", "rees46", "--data-dir", tmp_path)
    assert replayed.returncode == 0
    assert replayed.stdout.endswith(
        "received 501 = admitted 500 + duplicate 0 + late 0 + dead letter 1 ✓\n"
    )
    verified = rtcdp("verify", "--data-dir", tmp_path)
    assert (verified.returncode, verified.stdout[:14]) == (0, "no difference:")


def test_log_and_store_may_lie_apart(rtcdp, shop, tmp_path):
    apart = ("--log", f"embedded:{tmp_path / 'l'}", "--store", f"sqlite:{tmp_path / 's.db'}")
    for command in (["replay", shop, "--mapping", "rees46"], ["verify"], ["ledger"]):
        done = rtcdp(*command, "--data-dir", tmp_path / "d", *apart)
        assert done.returncode == 0, done.stderr
    assert "received 501" in done.stdout


def events(path, count):
    """A file of events with neither ids nor much else."""
    line = '{"userId":"u%d","timestamp":1767225600000,"eventType":"A","padding":"%s"}\n'
    path.write_text("".join(line % (number, "x" * 100) for number in range(count)))
    return path


def test_an_import_that_is_killed_goes_on_where_it_stopped(tmp_path):
    """Also when its ids are forgotten: what is in the log is there once."""
    file, log = events(tmp_path / "day.ndjson", 60_000), tmp_path / "data" / "log"
    command = [sys.executable, "-m", "rtcdp", "replay", file, "--data-dir", tmp_path / "data"]
    stages = []
    for _ in range(2):
        running = subprocess.Popen([*command, "--folds", "none"], stdout=subprocess.DEVNULL)
        at_start = stages[-1] if stages else 0
        while running.poll() is None and logged(log) <= at_start:
            time.sleep(0.01)
        running.kill()
        running.wait()
        stages.append(logged(log))
    said = subprocess.run(
        [*command, "--folds", "none"], check=True, capture_output=True, text=True
    ).stdout
    assert stages[0] < 60_000
    assert f"{stages[-1]:,} lines were imported before" in said or stages[-1] == 60_000
    reader = EmbeddedLogReader(log)
    users, offset = [], 0
    while len(records := reader.read(0, offset, 2**24)):
        users += [
            line.partition(b'"userId":"u')[2].partition(b'"')[0]
            for line in records.lines.splitlines()
        ]
        offset = records.next_offset
    reader.close()
    assert list(map(int, users)) == list(range(60_000))


def logged(log):
    if not (log / "log.db").exists():
        return 0
    reader = EmbeddedLogReader(log)
    try:
        return reader.extent(0).next_offset
    except LogUnavailable:
        return 0
    finally:
        reader.close()


def test_a_running_collector_knows_what_it_imported(rtcdp, up, tmp_path):
    running = up("--no-generate", "--folds", "none")
    file = events(tmp_path / "day.ndjson", 12_000)
    replay = ("replay", file, "--data-dir", running.data_dir, "--source", "archive")
    assert "sent 12,000 to" in rtcdp(*replay).stdout
    known = rtcdp(*replay)
    assert "12,000 lines were imported before" in known.stdout
    assert "sent 0 to" in known.stdout
    piece = {"Rtcdp-Piece": f"after={'0' * 32}; key={'a' * 32}; bytes=9"}
    event = '{"userId":"a","timestamp":1,"eventType":"A"}'
    for accepted, duplicates in ((1, 0), (0, 1)):
        sent = running.client.post("/v1/import", content=event, headers=piece).json()
        assert (sent["accepted"], sent["duplicates"]) == (accepted, duplicates)
    asked = running.client.post("/v1/import", headers={"Rtcdp-Piece": f"after={'0' * 32}"})
    assert asked.json()["pieces"] == [{"key": "a" * 32, "bytes": 9}]
    refused = running.client.post("/v1/import", headers={"Rtcdp-Piece": "this one"})
    assert (refused.status_code, refused.json()["code"]) == (400, "bad_piece")
    running.wait_for(lambda: running.totals()["received"] == 12_001)
