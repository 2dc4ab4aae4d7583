import adbc_driver_manager
import polars as pl
import pytest

from rtcdp.store import RowsRefused, StateMismatch, StoreUnavailable
from rtcdp.store.sql.statements import one_row
from rtcdp.store.sqlite.connection import SqliteConnection, StoreDamaged

NUMBER = pl.Schema({"n": pl.Int64})


def opened(path, *, read_only=False):
    return SqliteConnection(path, read_only=read_only, busy_timeout_ms=50)


@pytest.fixture
def plain(path):
    connection = opened(path)
    connection.run("CREATE TABLE t (n INTEGER PRIMARY KEY, x REAL, s TEXT, b BLOB) STRICT")
    yield connection
    connection.close()


def test_a_column_keeps_its_type_after_many_rows_without_a_value(plain):
    rows = pl.DataFrame({"n": range(5000)}).with_columns(
        x=pl.when(pl.col("n") == 4999).then(0.5),
        s=pl.when(pl.col("n") == 4999).then(pl.lit("s")),
        b=pl.when(pl.col("n") == 4999).then(pl.lit(b"\xff")),
    )
    plain.run("BEGIN")
    assert plain.run("INSERT INTO t VALUES (?1, ?2, ?3, ?4)", rows) == 5000
    assert plain.query("SELECT n, x, s, b FROM t ORDER BY n", rows.schema).equals(rows)


def test_columns_without_any_value_have_the_wanted_types(plain):
    schema = pl.Schema({"x": pl.Float64(), "s": pl.String(), "b": pl.Binary()})
    assert plain.query("SELECT x, s, b FROM t", schema).schema == schema
    plain.run("INSERT INTO t (n) VALUES (1)")
    assert plain.query("SELECT x, s, b FROM t", schema).rows() == [(None, None, None)]


def test_answers_to_several_rows_of_parameters_follow_each_other(plain):
    asked = pl.DataFrame({"n": [3, 1, 2]})
    assert plain.query("SELECT ?1 * 10 WHERE ?1 < 3", NUMBER, asked)["n"].to_list() == [10, 20]


def test_statements_are_kept_but_not_without_end(plain):
    for number in range(600):
        plain.query(f"SELECT {number}", NUMBER)
    assert plain.query("SELECT 7", NUMBER)["n"].to_list() == [7]
    assert len(plain._statements) <= 256


def test_a_statement_that_failed_can_be_run_again(plain):
    insert = "INSERT INTO t (n) VALUES (?1)"
    plain.run(insert, one_row(1))
    with pytest.raises(RowsRefused):
        plain.run(insert, one_row(1))
    plain.run(insert, one_row(2))
    assert plain.query("SELECT n FROM t", NUMBER).height == 2


def test_a_finished_query_holds_no_lock(plain, path):
    plain.pragma("journal_mode = WAL")
    reader = opened(path, read_only=True)
    plain.run("INSERT INTO t (n) VALUES (1), (2)")
    reader.query("SELECT n FROM t", NUMBER)
    assert plain.pragma("wal_checkpoint(TRUNCATE)") == 0
    assert path.with_name("store.db-wal").stat().st_size == 0
    reader.close()


def test_closing_rolls_back(plain, path):
    other = opened(path)
    other.run("BEGIN IMMEDIATE")
    other.run("INSERT INTO t (n) VALUES (1)")
    other.close()
    assert plain.query("SELECT n FROM t", NUMBER).is_empty()


def test_a_lock_that_stays_makes_the_store_unavailable(plain, path):
    other = opened(path)
    other.run("BEGIN EXCLUSIVE")
    with pytest.raises(StoreUnavailable, match="locked"):
        plain.run("INSERT INTO t (n) VALUES (1)")
    other.close()


def test_a_lock_is_waited_for_as_long_as_was_asked(plain):
    assert plain.pragma("busy_timeout") == 50


def test_a_file_that_is_not_there_is_not_made_for_reading(path):
    with pytest.raises(StoreUnavailable):
        opened(path, read_only=True)
    assert not path.exists()


def test_a_connection_for_reading_does_not_write(plain, path):
    reader = opened(path, read_only=True)
    with pytest.raises(StoreUnavailable, match="readonly"):
        reader.run("DELETE FROM t")
    reader.close()
    assert plain.query("SELECT n FROM t", NUMBER).is_empty()


def test_a_file_that_is_no_database_is_called_damaged(path):
    path.write_bytes(b"no database at all, but long enough to be looked at" * 100)
    connection = opened(path)
    with pytest.raises(StoreDamaged):
        connection.pragma("user_version")
    connection.close()


@pytest.mark.parametrize("sql", ["SELECT n FROM nowhere", "SELECT absent FROM t"])
def test_a_missing_table_or_column_is_a_mismatch_of_definitions(plain, sql):
    with pytest.raises(StateMismatch):
        plain.query(sql, NUMBER)


def test_a_mistake_in_a_statement_is_not_taken_for_an_outage(plain):
    with pytest.raises(adbc_driver_manager.ProgrammingError, match="syntax error"):
        plain.run("SELEC")


def test_a_path_with_signs_of_an_address_is_a_path(tmp_path):
    odd = tmp_path / "a?mode=ro#b %41.db"
    connection = opened(odd)
    connection.run("CREATE TABLE t (n INTEGER)")
    connection.close()
    assert odd.exists()
