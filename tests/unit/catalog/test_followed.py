"""A catalog whose files change while it is in use."""

import os
from pathlib import Path

import pytest

from rtcdp.catalog.catalog import load_catalog
from rtcdp.catalog.followed import LOOK_EVERY_S, FollowedCatalog
from rtcdp.errors import UsageError

TEXT = (
    "from rtcdp.definitions import *\n"
    'METRIC = Metric("mine", "M", tumbling(minutes=1), (Count("n"),))\n'
)

FOLD = (
    "from rtcdp.definitions import Fold\n"
    "from rtcdp.folds.sessions import Sessions\n"
    'FOLD = Fold("visits", "V", Sessions(gap_ms=60_000))\n'
)


class Followed:
    def __init__(self, folder: Path) -> None:
        self.now = 0.0
        self.faults: list[str] = []
        self.catalog = FollowedCatalog(folder, self.faults.append, lambda: self.now)

    def names(self) -> set[str]:
        self.now += LOOK_EVERY_S
        return {metric.name for metric in self.catalog} - {m.name for m in load_catalog()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(TEXT)
    return tmp_path


def test_files_that_come_change_and_go_are_taken_up(folder: Path) -> None:
    followed = Followed(folder)
    assert followed.names() == {"mine"}
    (folder / "other.py").write_text(TEXT.replace("mine", "other"))
    assert followed.names() == {"mine", "other"}
    (folder / "mine.py").unlink()
    assert followed.names() == {"other"}
    (folder / "other.py").write_text(TEXT.replace("mine", "third"))
    assert followed.names() == {"third"}
    assert followed.faults == []


def test_it_says_whether_the_metrics_are_other_ones(folder: Path) -> None:
    followed = Followed(folder)
    followed.now += LOOK_EVERY_S
    assert not followed.catalog.look()
    (folder / "mine.py").write_text(TEXT.replace("minutes", "hours"))
    assert not followed.catalog.look()
    followed.now += LOOK_EVERY_S
    assert followed.catalog.look()
    followed.now += LOOK_EVERY_S
    os.utime(folder / "mine.py", (1, 1))
    assert not followed.catalog.look()


def test_a_fold_that_comes_changes_or_goes_is_taken_up(folder: Path) -> None:
    followed = Followed(folder)
    built_in = len(followed.catalog.folds)
    (folder / "visits.py").write_text(FOLD)
    followed.now += LOOK_EVERY_S
    assert followed.catalog.look()
    before = followed.catalog.folds[-1]
    assert (before.name, len(followed.catalog.folds)) == ("visits", built_in + 1)
    (folder / "visits.py").write_text(FOLD.replace("60_000", "90_000"))
    followed.now += LOOK_EVERY_S
    assert followed.catalog.folds[-1].fingerprint != before.fingerprint
    (folder / "visits.py").unlink()
    followed.now += LOOK_EVERY_S
    assert len(followed.catalog.folds) == built_in
    assert followed.names() == {"mine"}


def test_a_broken_file_is_told_once_and_the_metrics_stay(folder: Path) -> None:
    followed = Followed(folder)
    (folder / "mine.py").write_text(TEXT + "x = (")
    assert followed.names() == followed.names() == {"mine"}
    (told,) = followed.faults
    assert "mine.py, line 3" in told
    (folder / "mine.py").write_text(TEXT.replace("mine", "mended"))
    assert followed.names() == {"mended"}
    (folder / "mine.py").unlink()
    assert followed.names() == {"mended"}
    assert len(followed.faults) == 2


def test_it_begins_with_a_whole_catalog(folder: Path) -> None:
    (folder / "mine.py").write_text("x = (")
    with pytest.raises(UsageError, match=r"mine\.py, line 1"):
        FollowedCatalog(folder)
    assert len(FollowedCatalog(None)) == len(load_catalog())
    assert FollowedCatalog(None)[0] == load_catalog()[0]
