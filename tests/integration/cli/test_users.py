"""A user is exported and erased at the command line, and the receipt is looked at."""

import json
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from rtcdp.catalog.catalog import load_catalog
from rtcdp.cli.app import run
from rtcdp.clock import SystemClock
from rtcdp.definitions.enrichment import stored_metrics
from rtcdp.log.embedded import EmbeddedLogReader
from rtcdp.store.division import Division
from rtcdp.store.postgres import PostgresStore

COUNT = 40
"""So many events of each, which the log compresses."""


def lines_of(*users: str) -> str:
    events = [
        {
            "eventId": f"{user} {number}",
            "userId": user,
            "timestamp": 1_767_225_600_000 + number * 60_000,
            "eventType": "PAGE_VIEW",
            "pageUrl": f"/{number}",
        }
        for user in users
        for number in range(COUNT)
    ]
    return "".join(json.dumps(event) + "\n" for event in events)


def places_with(data: Path, text: str) -> list[str]:
    """Files that hold a text, and the log's records, which its file may hold compressed."""
    files = [path for path in data.rglob("*") if path.is_file()]
    found = [path.name for path in files if text.encode() in path.read_bytes()]
    with closing(EmbeddedLogReader(data / "log")) as log:
        records = log.read(0, log.extent(0).first_offset, 10**7)
    return found + ["a record"] * any(text.encode() in each.raw for each in records.each())


@pytest.fixture
def here(tmp_path, capsys):
    """Runs a command on the data in this process; returns its exit code and what it says."""

    def run_here(*words: object) -> tuple[int, str]:
        code = run([*map(str, words), "--data-dir", str(tmp_path / "data")])
        return code, capsys.readouterr().out

    return run_here


def test_an_export_is_what_an_erasure_takes_and_the_receipt_says_so(rtcdp, here, tmp_path):
    data, recorded = tmp_path / "data", tmp_path / "recorded.jsonl"
    recorded.write_text(lines_of("ada@example.org", "bob@example.org"))
    assert here("replay", recorded)[0] == 0
    exported = here("users", "export", "ada@example.org")[1]
    kinds = [json.loads(line) for line in exported.splitlines()]
    events = [each["event"]["eventId"] for each in kinds if each["kind"] == "record"]
    assert events == [f"ada@example.org {number}" for number in range(COUNT)]
    assert {"user_page_view_counts", "sessions"} <= {each.get("name") for each in kinds}
    assert "users.export" in (data / "audit.jsonl").read_text()

    erased = rtcdp("users", "erase", "ada@example.org", "--yes", "--data-dir", data)
    assert erased.returncode == 0, erased.stderr + erased.stdout
    assert f"erased {COUNT} records" in erased.stdout
    assert places_with(data, "ada@example.org") == []
    assert places_with(data, "bob@example.org") != []
    assert here("users", "export", "ada@example.org") == (0, "")
    assert here("verify")[0] == 0
    assert here("verify", "--independent")[0] == 0
    assert f"erased {COUNT} ✓" in here("ledger")[1]
    # The same file brings nobody back.
    assert here("replay", recorded)[0] == 0
    assert places_with(data, "ada@example.org") == []

    (receipt,) = (data / "erasures").glob("*.json")
    told = json.loads(receipt.read_bytes())
    assert (told["records"], told["found"], told["log_records"]) == ({"admitted": COUNT}, [], COUNT)
    of_ada = ("users", "verify-receipt", receipt, "--user", "ada@example.org")
    assert here(*of_ada)[0] == 0
    other = receipt.with_name("1-another.json")
    other.write_bytes(receipt.read_bytes())
    assert here("users", "verify-receipt", receipt, other, "--user", "bob@example.org")[0] == 1
    other.write_text(other.read_text().replace(f'"admitted": {COUNT}', '"admitted": 4'))
    assert here("users", "verify-receipt", receipt, other)[0] == 1
    assert here("users", "verify-receipt", other) == (
        1,
        "the receipt is not as it was signed here\n",
    )


def test_processors_of_shards_are_not_asked_to_erase(postgres_schema_url, tmp_path, capsys):
    now_ms = SystemClock().now_ms()
    with ExitStack() as at_work:
        store = at_work.enter_context(closing(PostgresStore(postgres_schema_url)))
        caretaker = at_work.enter_context(closing(store.caretaker()))
        caretaker.acquire_lease("one", now_ms, 60_000)
        caretaker.close_shards(Division(2, 2))
        caretaker.prepare(stored_metrics(load_catalog())[:1])
        caretaker.open_shards({0: 0, 1: 0})
        for shard in range(2):
            counting = at_work.enter_context(closing(store.shard(shard)))
            counting.acquire_lease("one", now_ms, 60_000)
        words = ["users", "erase", "ada", "--yes", "--data-dir", str(tmp_path)]
        assert run([*words, "--store", postgres_schema_url]) != 0
    assert "stop all of them" in capsys.readouterr().err
