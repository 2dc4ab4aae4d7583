"""What is taken away or broken while everything runs is told within moments, and nothing is
acknowledged that would not be counted."""

import shutil
import sqlite3

import pytest

EVENT = {"userId": "ada", "timestamp": "2026-01-01T00:00:00Z", "eventType": "PAGE_VIEW"}
INTERRUPTED = 130


def send(running):
    return running.client.post("/v1/import", json=EVENT)


def readiness(running):
    answer = running.client.get("/health/ready")
    return answer.status_code, answer.json()["parts"]


@pytest.fixture
def running(up):
    started = up("--no-generate")
    started.wait_for(lambda: send(started).status_code == 200)
    started.wait_for(lambda: started.admitted() == 1)
    return started


def test_nothing_is_taken_into_a_log_that_was_made_anew(running, rtcdp):
    log, away = running.data_dir / "log", running.data_dir / "away"
    log.rename(away)
    running.wait_for(lambda: "was deleted" in readiness(running)[1]["collector"])
    refused = send(running)
    assert (refused.status_code, refused.json()["code"]) == (503, "log_unavailable")
    assert "was deleted while it was in use" in refused.json()["hint"]
    status, parts = readiness(running)
    assert status == 503
    assert "was deleted" in parts["collector"]
    assert "was deleted" in parts["log"]
    assert not log.exists()
    assert running.admitted() == 1
    running.hear("no events are taken: .* was deleted")
    away.rename(log)
    running.wait_for(lambda: send(running).status_code == 200)
    running.wait_for(lambda: running.admitted() == 2)
    running.wait_for(lambda: readiness(running)[0] == 200)
    assert running.stop() == INTERRUPTED
    assert rtcdp("verify", "--data-dir", running.data_dir).returncode == 0


def test_a_restart_does_not_begin_a_new_log_beside_a_store_that_goes_on(
    running, up, rtcdp, tmp_path
):
    assert running.stop() == INTERRUPTED
    shutil.rmtree(running.data_dir / "log")
    again = up("--no-generate")
    refused = send(again)
    assert refused.status_code == 503
    assert "the store has counted the log embedded:" in refused.json()["hint"]
    assert not (running.data_dir / "log").exists()
    assert again.admitted() == 1
    assert any("no events are taken: the store has counted the log" in line for line in again.lines)
    assert again.stop() == INTERRUPTED
    recording = tmp_path / "recording.ndjson"
    recording.write_text('{"userId":"ada","timestamp":1767225600000,"eventType":"PAGE_VIEW"}\n')
    replayed = rtcdp("replay", recording, "--data-dir", running.data_dir)
    assert (replayed.returncode, "there is no log" in replayed.stderr) == (1, True)
    assert not (running.data_dir / "log").exists()


def test_a_store_that_is_deleted_gives_no_zeros_and_intake_goes_on(running, rtcdp):
    store, away = running.data_dir / "store.db", running.data_dir / "away.db"
    store.rename(away)
    running.wait_for(lambda: running.client.get("/api/ledger").status_code == 503)
    answer = running.client.get("/api/ledger")
    assert "was deleted while it was in use" in answer.json()["detail"]
    status, parts = readiness(running)
    assert (status, "was deleted" in parts["store"]) == (503, True)
    assert send(running).status_code == 200
    running.hear("processor: the store's file .* was deleted")
    running.wait_for(lambda: "was deleted" in readiness(running)[1]["processor"])
    assert not store.exists()
    away.rename(store)
    running.wait_for(lambda: running.client.get("/api/ledger").status_code == 200)
    running.wait_for(lambda: running.admitted() == 2)
    running.wait_for(lambda: readiness(running)[0] == 200)
    assert running.stop() == INTERRUPTED
    assert rtcdp("verify", "--data-dir", running.data_dir).returncode == 0


def test_a_broken_table_stops_the_counting_and_not_the_intake(running, rtcdp):
    rename(running, "_ledger", "received", "renamed")
    assert send(running).status_code == 200
    running.hear("processor can't run: .*renamed|processor can't run: .*received")
    running.wait_for(lambda: "received" in readiness(running)[1]["processor"])
    assert readiness(running)[1]["collector"] == "ok"
    assert send(running).status_code == 200
    rename(running, "_ledger", "renamed", "received")
    running.wait_for(lambda: running.client.get("/api/ledger").status_code == 200)
    running.wait_for(lambda: running.admitted() == 3)
    running.wait_for(lambda: readiness(running)[0] == 200)
    assert running.stop() == INTERRUPTED
    assert rtcdp("verify", "--data-dir", running.data_dir).returncode == 0


def rename(running, table, column, name):
    connection = sqlite3.connect(running.data_dir / "store.db", timeout=10)
    connection.execute(f"ALTER TABLE {table} RENAME COLUMN {column} TO {name}")
    connection.commit()
    connection.close()
