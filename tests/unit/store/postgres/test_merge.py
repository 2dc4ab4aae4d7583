from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rtcdp.definitions import tables_of
from rtcdp.store.postgres.merge import groups_of, trim
from rtcdp.store.sql.definitions import prepare_metrics
from rtcdp.store.sql.snapshot import SqlSnapshot
from rtcdp.testing.epochs import rows_of


@pytest.fixture
def side_tables(writer, written_out):
    """Those of members and of items, kept small."""
    prepare_metrics(writer, [written_out])
    return [replace(table, capacity=2) for table in tables_of(written_out)[1:]]


def merged(writer, table, *rows):
    writer.merge(table, rows_of(table, *rows))
    return SqlSnapshot(writer).dump(table).rows()


def test_the_groups_of_rows_are_told_once(side_tables):
    members = side_tables[0]
    rows = rows_of(members, (0, "/a", "ada", 1), (0, "/a", "ada", 2), (0, "/b", "ada", 1))
    assert sorted(groups_of(members, rows).rows()) == [(0, "/a", "ada"), (0, "/b", "ada")]


def test_every_touched_group_is_trimmed_and_no_other(writer, side_tables):
    members = side_tables[0]
    whole = replace(members, capacity=100)
    groups = [(bucket, page, "ada") for bucket in (0, 60_000) for page in ("/a", "/b")]
    merged(writer, whole, *((*group, member) for group in groups for member in range(5)))
    found = merged(writer, members, *((*group, -1) for group in groups[1:]))
    assert found == [
        *((*groups[0], member) for member in range(5)),
        *((*group, member) for group in groups[1:] for member in (-1, 0)),
    ]


def test_overfull_groups_lose_what_the_first_too_many_has(writer, side_tables):
    items = side_tables[1]
    full = [(0, "/a", "ada", item, count) for item, count in zip("abcd", (9, 7, 3, 2), strict=True)]
    assert merged(writer, items, *full) == full
    other = (0, "/b", "ada", "a", 1)
    assert merged(writer, items, (0, "/a", "ada", "e", 1), other) == [
        (0, "/a", "ada", "a", 6),
        (0, "/a", "ada", "b", 4),
        other,
    ]


def test_a_tie_at_the_limit_takes_both(writer, side_tables):
    items = side_tables[1]
    rows = [
        (0, "/a", "ada", item, count) for item, count in zip("abcde", (9, 3, 3, 3, 1), strict=True)
    ]
    assert merged(writer, items, *rows) == [(0, "/a", "ada", "a", 6)]


def test_the_text_of_a_statement_is_made_once(side_tables):
    assert trim(side_tables[0]) is trim(side_tables[0])


starts = st.sampled_from((-60_000, 0, 60_000))
pages = st.sampled_from(("/a", "/b"))
users = st.sampled_from(("ada", "bob"))
values = st.none() | st.floats(allow_nan=False, allow_infinity=False)
sums = st.integers(0, 2**40)
bucket_rows = st.tuples(starts, pages, users, sums, sums, sums, sums, sums, sums, values, values)
member_rows = st.tuples(starts, pages, users, st.integers(-20, 20))
item_rows = st.tuples(starts, pages, users, st.sampled_from("abcdefgh"), st.integers(1, 9))
histories = st.lists(
    st.tuples(st.just(0), st.lists(bucket_rows, max_size=9))
    | st.tuples(st.just(1), st.lists(member_rows, max_size=9))
    | st.tuples(st.just(2), st.lists(item_rows, max_size=9)),
    max_size=8,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories)
def test_rows_are_merged_as_sqlite_merges_them(writer, connection, written_out, history):
    tables = [replace(table, capacity=3) for table in tables_of(written_out)]
    dumps = []
    for database in (writer, connection):
        database.run("SAVEPOINT empty")
        prepare_metrics(database, [written_out])
        for number, rows in history:
            distinct = {row[: len(tables[number].primary_key)]: row for row in rows}
            if distinct:
                database.merge(tables[number], rows_of(tables[number], *distinct.values()))
        dumps.append([SqlSnapshot(database).dump(table).rows() for table in tables])
        database.run("ROLLBACK TO empty")
    assert dumps[0] == dumps[1]
