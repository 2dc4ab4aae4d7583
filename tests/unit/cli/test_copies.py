"""What docs/operations.md says of copies of log and store that are brought back."""

import json
import shutil
import sqlite3
from contextlib import closing

import pytest

DATA = "rtcdp-data"


def fed(rtcdp, tmp_path, *users):
    path = tmp_path / "fed.ndjson"
    event = {"timestamp": "2026-06-01T10:00:00Z", "eventType": "PAGE_VIEW"}
    path.write_text("".join(json.dumps({**event, "userId": user}) + "\n" for user in users))
    assert rtcdp("replay", path).code == 0


def answers(rtcdp):
    return [
        json.loads(rtcdp(*command, "--json").out)["items"]
        for command in (["metrics", "user_page_view_counts"], ["ledger"])
    ]


@pytest.fixture
def copied(rtcdp, tmp_path):
    """A folder that has gone on since it was copied: wholly, and its store as SQLite copies it."""
    fed(rtcdp, tmp_path, "ada", "bob")
    shutil.copytree(tmp_path / DATA, tmp_path / "copy")
    store, kept = tmp_path / DATA / "store.db", tmp_path / "kept.db"
    with closing(sqlite3.connect(store)) as source, closing(sqlite3.connect(kept)) as target:
        source.backup(target)
    fed(rtcdp, tmp_path, "ada", "cy")
    return tmp_path


@pytest.mark.usefixtures("copied")
def test_a_copy_of_the_folder_is_whole(rtcdp):
    told = rtcdp("doctor", "--data-dir", "copy", "--port", 0)
    assert (told.code, "they belong together" in told.out) == (0, True)
    assert rtcdp("verify", "--data-dir", "copy").code == 0
    assert '"received": 2' in rtcdp("ledger", "--data-dir", "copy", "--json").out


def test_an_older_store_comes_to_the_same_numbers(rtcdp, copied):
    before = answers(rtcdp)
    for name in ("store.db", "store.db-wal", "store.db-shm"):
        (copied / DATA / name).unlink(missing_ok=True)
    shutil.copy(copied / "kept.db", copied / DATA / "store.db")
    assert '"received": 2' in rtcdp("ledger", "--json").out
    assert rtcdp("process", "--once").code == 0
    assert answers(rtcdp) == before
    assert rtcdp("verify").code == 0


def test_without_a_store_everything_is_counted_again(rtcdp, copied):
    before = answers(rtcdp)
    for path in (copied / DATA).glob("store.db*"):
        path.unlink()
    assert rtcdp("process", "--once").code == 0
    assert answers(rtcdp) == before


def test_an_older_log_is_refused(rtcdp, copied):
    shutil.rmtree(copied / DATA / "log")
    shutil.copytree(copied / "copy" / "log", copied / DATA / "log")
    done = rtcdp("process", "--once")
    assert done.code != 0
    assert "it was replaced or cut off" in done.err
    assert rtcdp("replay", copied / "fed.ndjson").code != 0
    assert '"received": 4' in rtcdp("ledger", "--json").out
