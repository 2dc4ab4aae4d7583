import errno
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from rtcdp.clock import SystemClock
from rtcdp.errors import UsageError
from rtcdp.log.embedded import EmbeddedLogReader
from rtcdp.runtime.backup import backing_up, restoring
from rtcdp.runtime.backup.backing_up import back_up
from rtcdp.runtime.backup.manifest import BackupDamaged
from rtcdp.runtime.backup.restoring import STAGE, restore
from rtcdp.runtime.parts import store_of
from rtcdp.runtime.processing import erase, processor_of
from rtcdp.runtime.settings import Settings
from rtcdp.runtime.user_data.receipts import is_genuine, keep_receipt, read_receipt
from rtcdp.runtime.user_data.requests import ErasureRequests
from rtcdp.runtime.user_data.search import find_in_tables
from tests.servers import unused_name
from tests.unit.runtime.small_shop import count, files_with, settings_of, visit

CLOCK = SystemClock()


@pytest.fixture
def shop(tmp_path):
    settings = settings_of(tmp_path / "shop")
    visit(settings, "olga", "bob")
    count(settings)
    back_up(settings, CLOCK, tmp_path / "backup")
    return settings


@pytest.fixture
def new(tmp_path):
    return settings_of(tmp_path / "new")


def test_who_was_erased_since_does_not_come_back(shop, new, tmp_path):
    erase(shop, CLOCK, "olga", "test")
    erase(shop, CLOCK, "carla", "test")
    given = tmp_path / "receipts"
    (shop.data_dir / "erasures").rename(given)
    restored = restore(new, CLOCK, tmp_path / "backup", [given])
    assert (restored.erased_since, len(restored.receipts), restored.has_origin) == (2, 1, False)
    assert files_with(new.data_dir, "olga") == []
    assert files_with(new.data_dir, "bob") != []
    kept = sorted((new.data_dir / "erasures").glob("*.json"))
    assert [path.stem.endswith("-again") for path in kept].count(True) == 1
    assert len(kept) == 3
    assert all(is_genuine(new.data_dir, read_receipt(path)) for path in kept)
    again = restored.receipts[0]
    assert (again.records, again.found) == ({"admitted": 1}, ())
    assert again.erased_at in {read_receipt(path).erased_at for path in given.glob("*.json")}


def test_the_receipts_of_an_installation_that_is_still_there_are_found(shop, new, tmp_path):
    erase(shop, CLOCK, "olga", "test")
    restored = restore(new, CLOCK, tmp_path / "backup")
    assert (restored.erased_since, restored.has_origin) == (1, True)
    assert files_with(new.data_dir, "olga") == []


def test_another_installation_in_the_place_of_the_first_has_no_say(shop, new, tmp_path):
    shop.data_dir.rename(tmp_path / "gone")
    visit(shop, "olga", "bob")
    erase(shop, CLOCK, "olga", "test")
    restored = restore(new, CLOCK, tmp_path / "backup")
    assert (restored.erased_since, restored.has_origin) == (0, False)
    assert files_with(new.data_dir, "olga") != []


def test_who_was_erased_while_a_backup_was_made_does_not_come_back(
    shop, new, tmp_path, monkeypatch
):
    copy_files = backing_up._copy_files

    def erased_before(*args):
        receipt = erase(shop, CLOCK, "olga", "test")
        other = keep_receipt(tmp_path / "other", msgspec.structs.replace(receipt, erased_at=9))
        # Of before its key was lost.
        old = shop.data_dir / "erasures" / other.name
        (tmp_path / "other" / "erasures" / other.name).rename(old)
        copy_files(*args)

    monkeypatch.setattr(backing_up, "_copy_files", erased_before)
    back_up(shop, CLOCK, tmp_path / "later")
    shop.data_dir.rename(tmp_path / "gone")
    restored = restore(new, CLOCK, tmp_path / "later")
    assert (restored.erased_since, restored.has_origin) == (1, False)
    assert files_with(new.data_dir, "olga") == []
    assert files_with(new.data_dir, "bob") != []


def test_who_waits_to_be_erased_waits_in_the_new_place(shop, new, tmp_path):
    asked = ErasureRequests(shop.data_dir, CLOCK)
    olga, _ = asked.ask("olga", "key 1")
    back_up(shop, CLOCK, tmp_path / "later")
    there = ErasureRequests(new.data_dir, CLOCK)
    restore(new, CLOCK, tmp_path / "later")
    assert there.waiting() == [olga.id]
    new.data_dir.rename(tmp_path / "first")
    count(shop)
    bob, _ = asked.ask("bob", "key 1")
    # As it is while it is ended: overwritten, and still there.
    (shop.data_dir / "erasures" / "requests" / "7-00.user").write_bytes(bytes(9))
    restored = restore(new, CLOCK, tmp_path / "later")
    assert [receipt.found for receipt in restored.receipts] == [()]
    assert (there.waiting(), there.state(olga.id).state) == ([bob.id], "done")
    count(new)
    assert (there.waiting(), there.state(bob.id).state) == ([], "done")
    assert [files_with(new.data_dir, name) for name in ("olga", "bob")] == [[], []]


def test_what_was_interrupted_while_it_was_put_in_place_on_another_disk_goes_on(
    shop, new, tmp_path, monkeypatch
):
    erase(shop, CLOCK, "olga", "test")
    elsewhere = tmp_path / "elsewhere"
    new = replace(new, log=f"embedded:{elsewhere}/log", store=f"sqlite:{elsewhere}/numbers.db")
    rename, copy_file = Path.rename, restoring.copy_file
    copied: list[str] = []

    def across(source, target):
        if elsewhere in target.parents and elsewhere not in source.parents:
            raise OSError(errno.EXDEV, "another disk")
        return rename(source, target)

    def interrupted(source, target):
        if elsewhere in target.parents:
            copied.append(target.name)
            if copied[-1] == "log.db.partial" and copied.count(copied[-1]) == 1:
                target.write_bytes(b"half")
                raise KeyboardInterrupt
        copy_file(source, target)

    monkeypatch.setattr(Path, "rename", across)
    monkeypatch.setattr(restoring, "copy_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        restore(new, CLOCK, tmp_path / "backup")
    with pytest.raises(UsageError, match="being put in place at"):
        restore(replace(new, store=""), CLOCK, tmp_path / "backup")
    since = shop.data_dir / "erasures" / erase(shop, CLOCK, "bob", "test").name
    with pytest.raises(UsageError, match="1 users were erased since"):
        restore(new, CLOCK, tmp_path / "backup")
    since.unlink()
    restored = restore(new, CLOCK, tmp_path / "backup")
    assert (copied[0], copied.count(copied[0])) == ("numbers.db.partial", 1)
    assert copied.count("log.db.partial") == 2
    assert (restored.erased_since, len(restored.receipts)) == (1, 1)
    assert not (new.data_dir / STAGE).exists()
    assert [path.name for path in elsewhere.rglob("*.partial")] == []
    visit(new, "carla")
    count(new)
    with store_of(new, read_only=True) as store, store.snapshot() as snapshot:
        totals = snapshot.ledger_totals()
    assert (totals["admitted"], totals["erased"]) == (2, 1)
    with closing(EmbeddedLogReader(new.log_path)) as log:
        assert log.extent(0).next_offset == 3


def test_nobody_is_erased_by_a_receipt_that_was_not_signed_here(shop, new, tmp_path):
    receipt = erase(shop, CLOCK, "olga", "test")
    forged = tmp_path / "forged.json"
    forged.write_bytes(msgspec.json.encode(msgspec.structs.replace(receipt, by="eve")))
    with pytest.raises(UsageError, match="not signed"):
        restore(new, CLOCK, tmp_path / "backup", [forged])
    assert [path.name for path in new.data_dir.iterdir() if path.name != "up.lock"] == [STAGE]
    restore(new, CLOCK, tmp_path / "backup")
    assert not (new.data_dir / STAGE).exists()


@pytest.mark.usefixtures("shop")
def test_a_damaged_backup_writes_nothing(new, tmp_path):
    path = tmp_path / "backup" / "store.db"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(BackupDamaged):
        restore(new, CLOCK, tmp_path / "backup")
    assert not new.data_dir.exists()


def test_only_an_empty_place_of_the_same_kind_is_taken(shop, new, tmp_path):
    backup = tmp_path / "backup"
    with pytest.raises(UsageError, match="not empty"):
        restore(shop, CLOCK, backup)
    with pytest.raises(UsageError, match="already"):
        restore(replace(new, store=f"sqlite:{shop.store_path}"), CLOCK, backup)
    with pytest.raises(UsageError, match="store is of sqlite"):
        restore(replace(new, store="postgresql://nowhere/x"), CLOCK, backup)
    with pytest.raises(UsageError, match="log is of embedded"):
        restore(replace(new, log="kafka://nowhere/x"), CLOCK, backup)
    assert not new.data_dir.exists()


def test_log_and_store_go_where_they_are_named_and_are_counted_on(shop, tmp_path):
    visit(shop, "carla")
    back_up(shop, CLOCK, tmp_path / "later")
    new = Settings(
        data_dir=tmp_path / "new",
        log=f"embedded:{tmp_path / 'a' / 'log'}",
        store=f"sqlite:{tmp_path / 'b' / 'numbers.db'}",
        folds="none",
    )
    restored = restore(new, CLOCK, tmp_path / "later")
    assert restored.manifest.log.next_offsets == {0: 3}
    assert restored.manifest.store.next_offsets == {0: 2}
    assert not (new.data_dir / "store.db").exists()
    visit(new, "bob")
    count(new)
    back_up(new, CLOCK, tmp_path / "again")
    assert restore(settings_of(tmp_path / "third"), CLOCK, tmp_path / "again").manifest.store == (
        replace_positions(restored.manifest.store, 4)
    )


def replace_positions(store, end):
    return msgspec.structs.replace(store, next_offsets={0: end}, epoch=store.epoch + 1)


def test_a_store_on_a_server_is_free_for_whoever_comes_and_holds_nobody_who_was_erased(
    postgres_server, postgres_url, tmp_path, monkeypatch
):
    shop = Settings(data_dir=tmp_path / "shop", store=postgres_url, folds="none")
    ada, bob = "ada@example.org", "bob@example.org"
    visit(shop, ada, bob)
    with processor_of(shop, CLOCK) as processor:
        # It has the right to write while the backup is made, and on this very machine.
        processor.run(threading.Event(), once=True)
        back_up(shop, CLOCK, tmp_path / "backup")
    erase(shop, CLOCK, ada, "test")
    database = unused_name()
    new = replace(shop, data_dir=tmp_path / "new", store=postgres_server.url(database))
    with pytest.raises(UsageError, match="already"):
        restore(replace(new, store=postgres_url), CLOCK, tmp_path / "backup")
    with monkeypatch.context() as patch:
        patch.setattr(restoring, "erase_again", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            restore(new, CLOCK, tmp_path / "backup")
    assert list(find_in_tables(new, bob)) == []
    restored = restore(new, CLOCK, tmp_path / "backup")
    assert len(restored.receipts) == 1
    assert not (new.data_dir / "store.dump").exists()
    assert list(find_in_tables(new, ada)) == []
    assert list(find_in_tables(new, bob)) != []
    visit(new, bob)
    count(new)
    with store_of(new, read_only=True) as store, store.snapshot() as snapshot:
        totals = snapshot.ledger_totals()
    assert (totals["admitted"], totals["erased"]) == (2, 1)
    postgres_server.drop_database(database)
