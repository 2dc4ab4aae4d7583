import stat
from contextlib import closing
from dataclasses import replace

import polars as pl
import pytest

from rtcdp.store import Progress, StateMismatch, StoreUnavailable
from rtcdp.store.checksums import check_sums
from rtcdp.store.sqlite import SqliteStore
from rtcdp.store.sqlite.connection import SqliteConnection
from rtcdp.store.sqlite.file import MIGRATIONS, make_file, open_writer, version_of
from rtcdp.testing.epochs import EpochMaker

NEXT = (*MIGRATIONS, ("ALTER TABLE _progress ADD COLUMN note TEXT",))
NEWEST = len(MIGRATIONS)


def opened(path, migrations=MIGRATIONS):
    return open_writer(path, 50, migrations)


def epoch_of(connection):
    return connection.query("SELECT epoch FROM _progress", pl.Schema({"epoch": pl.Int64})).item()


def columns(connection):
    found = connection.query(
        "SELECT name FROM pragma_table_info('_progress')", pl.Schema({"name": pl.String})
    )
    return found["name"].to_list()


def test_only_the_owner_may_read_the_file_and_what_lies_beside_it(connection, path):
    connection.run("INSERT INTO _progress VALUES (1, 1, 1, '', '')")
    made = sorted(path.parent.iterdir())
    assert [file.name for file in made] == ["store.db", "store.db-shm", "store.db-wal"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in made} == {0o600}


def test_folders_are_made_and_a_file_that_is_there_is_left_alone(tmp_path):
    path = tmp_path / "a" / "b" / "store.db"
    make_file(path)
    path.write_bytes(b"something")
    make_file(path)
    assert path.read_bytes() == b"something"


def test_a_place_where_no_file_can_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable, match="can't be made"):
        make_file(tmp_path / "file" / "store.db")


def test_every_commit_is_synced_and_the_log_of_writes_is_bounded(connection):
    assert connection.pragma("journal_mode") == "wal"
    assert connection.pragma("synchronous") == 2
    assert connection.pragma("journal_size_limit") == 64 * 2**20


def test_an_older_file_keeps_its_pages_and_the_bound_of_its_log_of_writes(path, connection):
    larger = connection.pragma("page_size")
    assert connection.pragma("wal_autocheckpoint") * larger == 64 * 2**20
    older = path.with_name("older.db")
    with closing(SqliteConnection(older, read_only=False, busy_timeout_ms=50)) as plain:
        plain.pragma("page_size = 4096")
        plain.pragma("journal_mode = WAL")
    with closing(opened(older)) as kept:
        assert kept.pragma("page_size") == 4096 < larger
        assert kept.pragma("wal_autocheckpoint") * 4096 == 64 * 2**20


@pytest.mark.parametrize("version", range(1, NEWEST + 1))
def test_a_store_of_any_older_version_is_upgraded_and_keeps_its_rows(path, version):
    older = opened(path, MIGRATIONS[:version])
    assert version_of(older) == version
    older.run("INSERT INTO _progress (id, epoch, committed_at, engine) VALUES (1, 7, 0, 'native')")
    older.close()
    newer = opened(path, NEXT)
    assert version_of(newer, NEXT) == NEWEST + 1
    assert "note" in columns(newer)
    assert epoch_of(newer) == 7
    newer.close()


def test_a_store_from_before_there_were_leases_is_counted_on(path):
    older = opened(path, MIGRATIONS[:1])
    older.run("INSERT INTO _progress VALUES (1, 7, 0, 'native')")
    older.run('INSERT INTO _partitions ("partition", next_offset) VALUES (0, 70)')
    older.close()
    store = SqliteStore(path)
    store.acquire_lease("here", now_ms=0, ttl_ms=1000)
    store.prepare([])
    assert store.progress() == Progress(7, {0: 70}, engine="native", decided_from={0: 70})
    store.commit(replace(EpochMaker(number=7, next_offset=70).make(), log_id="a"))
    assert store.progress().log_id == "a"
    store.close()


@pytest.mark.parametrize(
    ("minutes", "floor"), [([60_000, 120_000], None), ([120_000], 120_000), ([], 150_000)]
)
def test_what_retention_has_deleted_before_the_upgrade_is_no_damage(path, minutes, floor):
    older = opened(path, MIGRATIONS[:2])
    older.run("INSERT INTO _progress VALUES (1, 7, 150000, 'native', '')")
    older.run("INSERT INTO _ledger_totals VALUES (1, 4, 4, 0, 0, 0, 0)")
    for minute in minutes:
        older.run(
            "INSERT INTO _ledger VALUES (?1, 'shop', 2, 2, 0, 0, 0, 0)",
            pl.DataFrame({"minute": [minute]}),
        )
    older.close()
    store = SqliteStore(path)
    store.prepare([])
    with store.snapshot() as snapshot:
        assert snapshot.floors.uncounted_from == floor
        assert check_sums(snapshot, []).is_sound
    store.close()


def test_an_upgrade_that_fails_leaves_the_store_as_it_was(path):
    opened(path).close()
    with pytest.raises(StateMismatch, match="nowhere"):
        opened(path, (*NEXT, ("INSERT INTO nowhere VALUES (1)",)))
    older = opened(path)
    assert version_of(older) == NEWEST
    assert "note" not in columns(older)
    older.close()


def test_a_newer_store_is_refused(path):
    opened(path, NEXT).close()
    with pytest.raises(StateMismatch, match=f"version {NEWEST + 1}"):
        opened(path)


def test_another_programs_database_is_refused_and_not_touched(path):
    other = SqliteConnection(path, read_only=False, busy_timeout_ms=50)
    other.run("CREATE TABLE theirs (n INTEGER)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(StateMismatch, match="another program"):
        opened(path)
    assert path.read_bytes() == before


def test_a_store_of_before_has_decided_what_it_has_spans_of(path):
    older = opened(path, MIGRATIONS[:2])
    older.run("INSERT INTO _progress (id, epoch, committed_at, engine) VALUES (1, 7, 0, 'native')")
    older.run('INSERT INTO _partitions ("partition", next_offset) VALUES (0, 70), (1, 80)')
    older.run(
        'INSERT INTO _spans ("partition", first_offset, next_offset, committed_at)'
        " VALUES (0, 40, 60, 0), (0, 60, 70, 0)"
    )
    older.close()
    store = SqliteStore(path)
    store.prepare([])
    assert store.progress().decided_from == {0: 40, 1: 80}
    assert store.progress().remembered_from == {}
    with store.snapshot() as snapshot:
        assert list(snapshot.admission_rules()) == []
