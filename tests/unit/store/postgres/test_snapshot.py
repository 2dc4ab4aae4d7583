import random

import pytest

from rtcdp.definitions import tables_of
from rtcdp.store import Scan
from rtcdp.store.postgres.snapshot import PostgresSnapshot
from rtcdp.store.sql.definitions import prepare_metrics
from rtcdp.testing.epochs import rows_of


@pytest.fixture
def members(writer, written_out):
    prepare_metrics(writer, [written_out])
    return tables_of(written_out)[1]


def long_text(seed):
    rng = random.Random(seed)
    return "z" + "".join(chr(rng.randrange(0x20000, 0x2A6D0)) for _ in range(2000))


def test_long_keys_come_back_wherever_they_are_read(writer, members):
    rows = [(0, long_text(n % 2), long_text(n), n) for n in range(4)]
    writer.merge(members, rows_of(members, *rows))
    snapshot = PostgresSnapshot(writer)
    assert snapshot.dump(members).rows() == sorted(rows)
    assert snapshot.scan(Scan(members, {"userId": long_text(2)})).rows() == [rows[2]]
    groups = rows_of(members, rows[3]).drop("member")
    assert snapshot.members(members, groups).rows() == [rows[3]]


def test_a_text_that_only_looks_short_stays(writer, members):
    looks_short = "a…#" + "0" * 32
    writer.merge(members, rows_of(members, (0, looks_short, "ada", 1)))
    assert PostgresSnapshot(writer).dump(members)["pageUrl"].to_list() == [looks_short]


def test_keys_of_ordinary_length_ask_for_nothing_more(writer, members, monkeypatch):
    writer.merge(members, rows_of(members, (0, "/a", "ada", 1)))
    snapshot = PostgresSnapshot(writer)
    asked = []
    query = writer.query
    monkeypatch.setattr(writer, "query", lambda sql, *a: asked.append(sql) or query(sql, *a))
    snapshot.dump(members)
    assert not [sql for sql in asked if "_long_texts" in sql]
