from rtcdp.store.rules import check_balance
from rtcdp.testing.epochs import EpochMaker, uncounted_of


def test_epochs_follow_each_other_and_balance():
    epochs = EpochMaker(partition=2, number=4, next_offset=10)
    first = epochs.make(admitted=3, uncounted=[{"verdict": "late"}], received_at=61_000)
    second = epochs.make()
    check_balance(first)
    check_balance(second)
    assert (first.number, first.next_offsets) == (5, {2: 14})
    assert (second.number, second.next_offsets) == (6, {2: 15})
    assert first.uncounted.select("partition", "offset", "verdict").rows() == [(2, 13, "late")]
    assert first.ledger.row(0) == ("default", 60_000, 4, 3, 0, 1, 0, 0, 0)


def test_what_is_not_said_of_an_uncounted_record_is_that_of_a_dead_letter():
    record = uncounted_of({"offset": 3}).row(0, named=True)
    assert record["verdict"] == "dead_letter"
    assert record["raw"] is None
