from dataclasses import replace

import pytest

from rtcdp.store import EpochRefused, Progress
from rtcdp.store.rules import check_follows
from rtcdp.testing.epochs import EpochMaker

PROGRESS = Progress(epoch=3, next_offsets={0: 10}, log_id="log-a")


def epoch(number=4, first_offset=10, partition=0, log_id="log-a"):
    made = EpochMaker(partition, number - 1, first_offset).make()
    return replace(made, log_id=log_id)


def test_what_goes_on_follows():
    check_follows(PROGRESS, epoch())


def test_a_partition_that_was_never_counted_may_start_anywhere():
    check_follows(PROGRESS, epoch(partition=1, first_offset=77))


def test_a_log_without_a_name_is_not_compared():
    check_follows(PROGRESS, epoch(log_id=""))
    check_follows(replace(PROGRESS, log_id=""), epoch())


@pytest.mark.parametrize(
    ("refused", "why"),
    [
        (epoch(number=3), "does not follow the store's epoch 3"),
        (epoch(number=5), "does not follow the store's epoch 3"),
        (epoch(first_offset=9), "counted up to 10"),
        (epoch(first_offset=11), "counted up to 10"),
        (epoch(log_id="log-b"), "counted the log log-a"),
    ],
)
def test_everything_else_is_refused(refused, why):
    with pytest.raises(EpochRefused, match=why):
        check_follows(PROGRESS, refused)
