import signal
import subprocess
import sys

import pytest

from rtcdp.clock import SystemClock
from rtcdp.errors import PartMissing, UsageError
from rtcdp.runtime.backup import backing_up
from rtcdp.runtime.backup.backing_up import BackupFailed, back_up
from rtcdp.runtime.backup.manifest import check_files, read_manifest
from rtcdp.runtime.processing import erase
from rtcdp.runtime.settings import Settings
from tests.unit.runtime.small_shop import count, files_with, settings_of, visit

CLOCK = SystemClock()

KILLED = """
import os, signal, sys
from pathlib import Path
from rtcdp.clock import SystemClock
from rtcdp.runtime.backup import backing_up
from rtcdp.runtime.settings import Settings

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

setattr(backing_up, sys.argv[3], die)
backing_up.back_up(Settings(data_dir=Path(sys.argv[1])), SystemClock(), Path(sys.argv[2]))
"""


@pytest.fixture
def shop(tmp_path):
    settings = settings_of(tmp_path / "shop")
    visit(settings, "olga", "bob")
    count(settings)
    return settings


def test_what_is_killed_leaves_nothing_that_is_called_whole(shop, tmp_path):
    folder = tmp_path / "backup"
    for place in ("copy_log", "write_manifest"):
        done = subprocess.run(
            [sys.executable, "-c", KILLED, shop.data_dir, folder, place], check=False
        )
        assert done.returncode == -signal.SIGKILL
        assert not folder.exists()
        with pytest.raises(UsageError, match="is no backup"):
            read_manifest(tmp_path / "backup.partial")
    back_up(shop, CLOCK, folder)
    check_files(folder, read_manifest(folder))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "shop"]


def test_log_and_store_are_never_on_two_sides_of_an_erasure(shop, tmp_path, monkeypatch):
    copies, copy_log = [], backing_up.copy_log

    def erased_between(*places):
        copies.append(places)
        if len(copies) == 1:
            erase(shop, CLOCK, "olga", "test")
        copy_log(*places)

    monkeypatch.setattr(backing_up, "copy_log", erased_between)
    manifest = back_up(shop, CLOCK, tmp_path / "backup")
    assert (len(copies), len(manifest.erased)) == (2, 1)
    assert files_with(tmp_path / "backup", "olga") == []
    assert files_with(tmp_path / "backup", "bob") != []


def test_records_that_were_deleted_before_the_store_knew_of_them_make_no_backup(
    shop, tmp_path, monkeypatch
):
    emptied = settings_of(tmp_path / "emptied")
    visit(emptied, "olga")
    copy_log = backing_up.copy_log
    monkeypatch.setattr(
        backing_up, "copy_log", lambda _, target: copy_log(emptied.log_path, target)
    )
    with pytest.raises(BackupFailed):
        back_up(shop, CLOCK, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()
    assert not (tmp_path / "backup.partial").exists()


def test_what_is_there_stays_and_what_is_not_there_is_not_copied(shop, tmp_path):
    (tmp_path / "there").mkdir()
    back_up(shop, CLOCK, tmp_path / "there")
    for taken in ("there", "shop"):
        with pytest.raises(UsageError, match="there already"):
            back_up(shop, CLOCK, tmp_path / taken)
    with pytest.raises(PartMissing):
        back_up(settings_of(tmp_path / "none"), CLOCK, tmp_path / "backup")
    assert not (tmp_path / "none").exists()


def test_a_store_of_documents_is_not_copied(tmp_path):
    settings = Settings(data_dir=tmp_path / "shop", store="mongodb://127.0.0.1:1/none")
    with pytest.raises(UsageError, match="mongodb can't be copied"):
        back_up(settings, CLOCK, tmp_path / "backup")
