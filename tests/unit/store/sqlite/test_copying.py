from contextlib import closing

import polars as pl
import pytest

from rtcdp.admission.erased import ErasedUser
from rtcdp.admission.verdicts import LEDGER_SCHEMA, UNCOUNTED_SCHEMA
from rtcdp.store import Epoch, Erasure, StateMismatch, StoreUnavailable
from rtcdp.store.sqlite import SqliteStore, bring_back_store, copy_store, holds_a_store
from rtcdp.store.sqlite.connection import SqliteConnection

ADA = ErasedUser.of("ada", "5a" * 16, 7)


def test_a_copy_tells_of_its_own_moment_and_becomes_a_store_again(tmp_path):
    path, copy = tmp_path / "store.db", tmp_path / "copy"
    with closing(SqliteStore(path)) as store:
        store.prepare(())
        empty = pl.DataFrame(schema=LEDGER_SCHEMA), pl.DataFrame(schema=UNCOUNTED_SCHEMA)
        store.commit(Epoch(1, (), (), *empty, erasure=Erasure(ADA)))
        copied = copy_store(f"sqlite:{path}", copy)
        store.commit(Epoch(2, (), (), *empty))
    assert (copied.progress.epoch, copied.erased) == (1, (ADA,))
    assert copy.stat().st_mode & 0o777 == 0o600
    new = f"sqlite:{tmp_path / 'new.db'}"
    assert not holds_a_store(new)
    bring_back_store(new, copy)
    assert holds_a_store(new)
    with closing(SqliteStore(tmp_path / "new.db")) as store:
        store.commit(Epoch(2, (), (), *empty))
        assert store.progress().epoch == 2
        assert store.erased_users() == [ADA]


def test_what_is_no_store_of_this_version_is_refused(tmp_path):
    with pytest.raises(StoreUnavailable):
        copy_store(f"sqlite:{tmp_path / 'none.db'}", tmp_path / "copy")
    newer = tmp_path / "newer.db"
    with closing(SqliteStore(newer)) as store:
        store.prepare(())
    with closing(SqliteConnection(newer, read_only=False, busy_timeout_ms=100)) as file:
        file.pragma("user_version = 99")
    with pytest.raises(StateMismatch):
        bring_back_store(f"sqlite:{tmp_path / 'new.db'}", newer)
