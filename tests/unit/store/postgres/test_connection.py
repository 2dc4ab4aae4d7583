import os
import socket
from dataclasses import replace
from functools import partial

import polars as pl
import pytest

from rtcdp.store import RowsRefused, StoreForbidden, StoreUnavailable
from rtcdp.store.postgres.address import parse_address
from rtcdp.store.postgres.connection import POSTGRES, PostgresConnection, unnested
from rtcdp.store.sql.statements import one_row

NUMBER = pl.Schema({"n": pl.Int64()})


@pytest.fixture
def connection(address):
    opened = PostgresConnection(address)
    opened.run("CREATE TEMPORARY TABLE numbers (n bigint PRIMARY KEY, text text)")
    yield opened
    opened.close()


@pytest.fixture
def deaf_port():
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def numbers(*values):
    return pl.DataFrame({"n": values, "text": ["x"] * len(values)}, {**NUMBER, "text": pl.String})


def held(connection):
    return connection.query("SELECT n FROM numbers ORDER BY n", NUMBER)["n"].to_list()


INSERT = f"INSERT INTO numbers {POSTGRES.source([pl.Int64(), pl.String()])}"


def test_a_statement_runs_once_for_each_row_and_counts(connection):
    assert connection.run("INSERT INTO numbers VALUES ($1, $2)", numbers(1, 2, 3)) == 3
    assert connection.run("UPDATE numbers SET text = NULL WHERE n > 1") == 2
    assert held(connection) == [1, 2, 3]


def test_columns_are_bound_as_arrays(connection):
    connection.send_rows(INSERT, numbers(*range(5000)))
    assert held(connection) == list(range(5000))


def test_the_answers_of_several_rows_of_parameters_follow_each_other(connection):
    asked = pl.DataFrame({"n": [5, None, 3]}, NUMBER)
    assert connection.query("SELECT $1::bigint", NUMBER, asked)["n"].to_list() == [5, None, 3]
    assert connection.query("SELECT $1::bigint", NUMBER, asked.clear()).schema == NUMBER


def test_what_is_sent_is_not_waited_for_and_its_error_comes_with_the_next_answer(
    connection, address
):
    other = PostgresConnection(address)
    other.run("SELECT pg_advisory_lock(1)")
    connection.send("SELECT pg_advisory_lock(1)")
    connection.send_rows(INSERT, numbers(1, 1))
    # Had it waited, nobody would ever come here.
    other.run("SELECT pg_advisory_unlock(1)")
    other.close()
    with pytest.raises(RowsRefused, match="duplicate key"):
        held(connection)


def test_what_came_after_an_error_is_not_done(address):
    connection = PostgresConnection(address)
    connection.run("CREATE TABLE public.kept (n bigint PRIMARY KEY)")
    connection.send("BEGIN")
    for number in (1, 2, 2, 3):
        connection.send("INSERT INTO public.kept VALUES ($1)", one_row(number))
    with pytest.raises(RowsRefused):
        connection.commit()
    connection.close()
    other = PostgresConnection(address)
    assert other.query("SELECT n FROM public.kept", NUMBER).is_empty()
    other.run("DROP TABLE public.kept")
    other.close()


def test_more_than_the_network_takes_at_once_goes_through_both_ways(connection):
    wide = pl.DataFrame(
        {"n": range(40), "text": ["x" * 500_000] * 40}, {**NUMBER, "text": pl.String}
    )
    connection.send_rows(INSERT, wide)
    found = connection.query("SELECT text FROM numbers", pl.Schema({"text": pl.String()}))
    assert found["text"].str.len_bytes().sum() == 20_000_000


def test_hundreds_of_statements_are_kept_ready_and_the_oldest_forgotten(connection):
    for number in range(300):
        assert connection.query(f"SELECT {number}", NUMBER).item() == number
    ready = connection.query("SELECT count(*) FROM pg_prepared_statements", NUMBER).item()
    assert ready == 256
    assert connection.query("SELECT 0", NUMBER).item() == 0


def test_one_statement_can_be_given_values_of_other_types(connection):
    for value, type_name in ((1, "bigint"), ("a", "text")):
        found = connection.query(
            "SELECT pg_typeof($1)::text", pl.Schema({"type": pl.String()}), one_row(value)
        )
        assert found.item() == type_name


def test_a_transaction_that_the_server_rolled_back_is_no_commit(connection):
    connection.run("BEGIN")
    # A server answers so when the transaction had failed before.
    connection._enqueue = partial(rolled_back, connection._enqueue)
    with pytest.raises(StoreUnavailable, match="rolled"):
        connection.commit()


def rolled_back(enqueue, sql, *others):
    enqueue(sql.replace("COMMIT", "ROLLBACK"), *others)


def test_a_server_that_ends_the_connection_is_unavailable(connection, address):
    other = PostgresConnection(address)
    pid = connection.query("SELECT pg_backend_pid()", NUMBER)
    other.query("SELECT pg_terminate_backend($1::integer)::integer", NUMBER, pid)
    with pytest.raises(StoreUnavailable):
        held(connection)
    other.close()


def test_silence_is_given_up(address):
    connection = PostgresConnection(address, answer_timeout_s=0.2)
    with pytest.raises(StoreUnavailable, match="silent"):
        connection.run("SELECT pg_sleep(20)")
    connection.close()


def test_silence_while_connecting_is_given_up(deaf_port):
    address = parse_address(f"postgresql://127.0.0.1:{deaf_port}/d?sslmode=disable")
    with pytest.raises(StoreUnavailable, match="silent"):
        PostgresConnection(replace(address, connect_timeout_s=0.2))


def test_a_server_that_is_not_there_is_unavailable(deaf_port):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert port != deaf_port
    with pytest.raises(StoreUnavailable, match="refused"):
        PostgresConnection(parse_address(f"postgresql://127.0.0.1:{port}/d"))


def test_a_database_or_user_that_is_not_there_is_a_wrong_setting(postgres_server):
    url = postgres_server.url("shared")
    with pytest.raises(StoreForbidden, match="does not exist"):
        PostgresConnection(parse_address(url.replace("/shared", "/nowhere")))
    with pytest.raises(StoreForbidden, match="does not exist"):
        PostgresConnection(parse_address(url.replace("postgres@", "nobody:s3cret@")))


def test_no_handle_is_left_behind(address):
    PostgresConnection(address).close()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        PostgresConnection(address).close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_rows_come_from_as_many_arrays_as_there_are_columns():
    rows = unnested([pl.Int64(), pl.String()])
    assert rows == "(SELECT unnest($1::bigint[]), unnest($2::text[]))"
