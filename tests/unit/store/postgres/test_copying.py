import os
from contextlib import closing

import polars as pl
import pytest

from rtcdp.admission.erased import ErasedUser
from rtcdp.admission.verdicts import LEDGER_SCHEMA, UNCOUNTED_SCHEMA
from rtcdp.errors import PartMissing, UsageError
from rtcdp.store import Epoch, Erasure, StoreUnavailable
from rtcdp.store.postgres import (
    PostgresStore,
    bring_back_store,
    copy_store,
    holds_a_store,
    take_away_store,
)
from rtcdp.testing.random_walk import METRICS
from tests.servers import unused_name

ADA = ErasedUser.of("ada", "5a" * 16, 7)
EMPTY = pl.DataFrame(schema=LEDGER_SCHEMA), pl.DataFrame(schema=UNCOUNTED_SCHEMA)


SCHEMA = '?schema=odd "na"me'
DUMP = """#!/bin/sh
psql -qc 'UPDATE "odd ""na""me"._progress SET epoch = 9' "$1" || exit 1
PATH="$AFTER" exec pg_dump "$@"
"""
"""Somebody commits just before the program begins."""


def test_a_copy_is_of_one_moment_and_becomes_a_store_again(
    postgres_server, postgres_url, tmp_path, monkeypatch: pytest.MonkeyPatch
):
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "pg_dump").write_text(DUMP)
    (slow / "pg_dump").chmod(0o700)
    monkeypatch.setenv("AFTER", os.environ["PATH"])
    monkeypatch.setenv("PATH", f"{slow}:{os.environ['PATH']}")
    url = postgres_url + SCHEMA
    with pytest.raises(PartMissing):
        copy_store(url, tmp_path / "none")
    with closing(PostgresStore(url)) as store:
        store.prepare(METRICS[:1])
        store.commit(Epoch(1, (), (), *EMPTY, erasure=Erasure(ADA)))
        copied = copy_store(url, tmp_path / "copy")
        store.commit(Epoch(10, (), (), *EMPTY))
    assert (copied.progress.epoch, copied.erased) == (1, (ADA,))
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o600
    database = unused_name()
    new = postgres_server.url(database) + SCHEMA
    assert not holds_a_store(new)
    elsewhere = postgres_server.url(database)
    for other in (elsewhere, f"{elsewhere}?schema=other"):
        with pytest.raises(UsageError, match="in another schema"):
            bring_back_store(other, tmp_path / "copy")
        assert not holds_a_store(other)
    assert not holds_a_store(new)
    bring_back_store(new, tmp_path / "copy")
    assert holds_a_store(new)
    take_away_store(new)
    assert not holds_a_store(new)
    bring_back_store(new, tmp_path / "copy")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["copy"]
    with pytest.raises(StoreUnavailable, match="already exists"):
        bring_back_store(new, tmp_path / "copy")
    with closing(PostgresStore(new)) as store:
        assert set(store.metrics()) == {METRICS[0].name}
        store.commit(Epoch(2, (), (), *EMPTY))
        assert store.readable(METRICS[0]).is_empty()
    postgres_server.drop_database(database)


def test_a_missing_program_and_a_password_are_not_given_away(
    postgres_url, tmp_path, monkeypatch: pytest.MonkeyPatch
):
    with closing(PostgresStore(postgres_url)) as store:
        store.prepare(())
    told = tmp_path / "bin"
    told.mkdir()
    monkeypatch.setenv("PATH", str(told))
    with pytest.raises(PartMissing, match="no pg_dump"):
        copy_store(postgres_url, tmp_path / "copy")
    program = told / "pg_dump"
    program.write_text('#!/bin/sh\necho "$PGPASSWORD|$*" >&2\nexit 1\n')
    program.chmod(0o700)
    place = postgres_url.replace("://postgres@", "://postgres:hush@")
    assert "hush" in place
    with pytest.raises(StoreUnavailable) as raised:
        copy_store(place, tmp_path / "copy")
    password, arguments = str(raised.value).split("failed", 1)[1].split("|", 1)
    assert password.endswith("hush")
    assert "hush" not in arguments
