import msgspec
import pytest

from rtcdp.errors import UsageError
from rtcdp.runtime.backup.manifest import (
    NAME,
    BackedUpLog,
    BackedUpStore,
    BackupDamaged,
    Manifest,
    check_files,
    file_of,
    read_manifest,
    write_manifest,
)


@pytest.fixture
def backup(tmp_path):
    folder = tmp_path / "backup"
    (folder / "log").mkdir(parents=True)
    (folder / "log" / "log.db").write_bytes(b"log" * 10**6)
    (folder / "store.db").write_bytes(b"store")
    manifest = Manifest(
        version="1",
        made_at=5,
        data_dir="somewhere",
        log=BackedUpLog("embedded", is_copied=True, next_offsets={0: 7}),
        store=BackedUpStore("sqlite", "store.db", 3, {0: 5}),
        erased=(),
        files=tuple(file_of(folder, folder / name) for name in ("log/log.db", "store.db")),
    )
    write_manifest(folder, manifest)
    return folder


def test_what_is_as_it_was_passes_and_tells_how_far_it_is(backup):
    told = []
    manifest = read_manifest(backup)
    check_files(backup, manifest, lambda *so_far: told.append(so_far))
    assert manifest.size == 3 * 10**6 + 5
    assert told == sorted(told)
    assert told[-1] == (manifest.size, manifest.size)


@pytest.mark.parametrize("name", ["log/log.db", "store.db", NAME])
def test_no_byte_changes_unseen(backup, name):
    path = backup / name
    whole = path.read_bytes()
    for at in {0, len(whole) // 2, len(whole) - 2}:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises((BackupDamaged, UsageError)):
            check_files(backup, read_manifest(backup))
    path.write_bytes(whole[:-2])
    with pytest.raises(BackupDamaged):
        check_files(backup, read_manifest(backup))


def test_nothing_that_it_says_changes_unseen(backup):
    text = (backup / NAME).read_bytes()
    changed = text.replace(b'"epoch": 3', b'"epoch": 4')
    assert changed != text
    (backup / NAME).write_bytes(changed)
    with pytest.raises(BackupDamaged, match="not as it was written"):
        read_manifest(backup)


def test_what_is_missing_or_too_much_is_named(backup):
    (backup / "more").write_text("x")
    with pytest.raises(BackupDamaged, match="more is there"):
        check_files(backup, read_manifest(backup))
    (backup / "more").unlink()
    (backup / "store.db").unlink()
    with pytest.raises(BackupDamaged, match=r"store.db is missing"):
        check_files(backup, read_manifest(backup))
    (backup / NAME).unlink()
    with pytest.raises(UsageError, match="is no backup"):
        read_manifest(backup)


def test_a_newer_format_is_refused_by_its_number(backup):
    found = msgspec.json.decode((backup / NAME).read_bytes())
    (backup / NAME).write_bytes(msgspec.json.encode({**found, "format": 99, "log": "new"}))
    with pytest.raises(UsageError, match="format 99"):
        read_manifest(backup)
