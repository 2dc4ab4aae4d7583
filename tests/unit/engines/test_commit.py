"""The commit that is tried until it is known to be done."""

from pathlib import Path

import pytest

from rtcdp.engines.commit import RetryPolicy, commit_for_sure, has_committed
from rtcdp.store import Epoch, EpochRefused, Progress, RowsGone, StoreUnavailable
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.epochs import EpochMaker


class Stumbling:
    """A store whose commits fail as told, before or after they are applied; else it is real."""

    def __init__(self, directory: Path, *troubles: str) -> None:
        self.store = SqliteStore(directory / "store.db")
        self.store.prepare([])
        self._troubles = list(troubles)

    def progress(self) -> Progress:
        if self._troubles[:1] == ["progress"]:
            self._troubles.pop(0)
            raise StoreUnavailable("the progress can't be read")
        return self.store.progress()

    def commit(self, epoch: Epoch) -> None:
        trouble = self._troubles.pop(0) if self._troubles else ""
        if trouble == "before":
            raise StoreUnavailable("nothing was applied")
        if trouble == "gone":
            raise RowsGone("of 2 rows 1 are there")
        self.store.commit(epoch)
        if trouble == "after":
            raise StoreUnavailable("it was applied, and the answer was lost")


def patience(said: list[str], *, stops: bool = False) -> RetryPolicy:
    return RetryPolicy(0.5, lambda _: stops, said.append)


@pytest.mark.parametrize(
    ("troubles", "sentences"),
    [
        ([], 0),
        (["before"], 1),
        (["before", "before"], 2),
        (["after"], 1),
        (["after", "progress"], 1),
        (["before", "after"], 2),
    ],
)
def test_an_epoch_is_applied_once(tmp_path: Path, troubles: list[str], sentences: int) -> None:
    said: list[str] = []
    stumbling = Stumbling(tmp_path, *troubles)
    commit_for_sure(stumbling, EpochMaker().make(), patience(said))
    assert stumbling.store.progress().epoch == 1
    assert len(said) == sentences
    stumbling.store.close()


def test_it_gives_up_only_when_it_is_asked_to_stop(tmp_path: Path) -> None:
    stumbling = Stumbling(tmp_path, "before")
    with pytest.raises(StoreUnavailable):
        commit_for_sure(stumbling, EpochMaker().make(), patience([], stops=True))
    assert stumbling.store.progress().epoch == 0
    stumbling.store.close()


@pytest.mark.parametrize("troubles", [["gone"], ["before", "gone"]])
def test_an_epoch_that_can_never_follow_is_not_tried_again(
    tmp_path: Path, troubles: list[str]
) -> None:
    stumbling = Stumbling(tmp_path, *troubles)
    with pytest.raises(RowsGone):
        commit_for_sure(stumbling, EpochMaker().make(), patience([]))
    assert stumbling.store.progress().epoch == 0
    stumbling.store.close()


def test_another_engine_s_commit_is_not_taken_for_its_own(tmp_path: Path) -> None:
    stumbling = Stumbling(tmp_path, "before")
    mine, other = EpochMaker().make(admitted=2), EpochMaker().make(admitted=1)
    stumbling.store.commit(other)
    with pytest.raises(EpochRefused):
        commit_for_sure(stumbling, mine, patience([]))
    assert not has_committed(stumbling.store, mine)
    assert has_committed(stumbling.store, other)
    stumbling.store.close()
