import pytest
from bson.datetime_ms import DatetimeMS
from hypothesis import given
from hypothesis import strategies as st

from rtcdp.definitions import tables_of
from rtcdp.store import Scan, UncountedScan
from rtcdp.store.mongo.reading import (
    EXTRA_DOCUMENTS,
    Walk,
    beyond,
    joined,
    ledger_walk,
    table_walk,
    uncounted_walk,
)

ORDER = (("a", -1), ("b", 1), ("c", 1))
RELATIONS = {
    "$lt": lambda value, limit: value < limit,
    "$gt": lambda value, limit: value > limit,
    "$eq": lambda value, limit: value == limit,
    "$gte": lambda value, limit: value >= limit,
}


def holds(condition, row):
    return all(
        RELATIONS[relation](row[name], limit)
        for name, wanted in condition.items()
        for relation, limit in (wanted if isinstance(wanted, dict) else {"$eq": wanted}).items()
    )


def in_order(row):
    return (-row["a"], row["b"], row["c"])


rows = st.fixed_dictionaries(dict.fromkeys("abc", st.integers(0, 3)))


@given(st.lists(rows, max_size=40), rows)
def test_what_comes_after_a_place_comes_once_and_in_order(everything, place):
    conditions = beyond(ORDER, place)
    found = [
        row
        for condition in conditions
        for row in sorted(everything, key=in_order)
        if holds(condition, row)
    ]
    after = [row for row in everything if in_order(row) > in_order(place)]
    assert found == sorted(after, key=in_order)


@given(rows, st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))
def test_joined_conditions_hold_when_both_do(row, value, start, end):
    limits = {"$gte": start, "$lt": end}
    for condition in ({}, {"a": value}, {"a": {"$lt": value}}, {"a": {"$gt": value}}):
        both = holds(condition, row) and holds({"a": limits}, row)
        assert holds(joined(condition, "a", limits), row) == both


def test_without_limits_a_condition_stays_as_it_is():
    assert joined({"a": 1}, "a", {}) == {"a": 1}


@pytest.fixture
def table(written_out):
    return tables_of(written_out)[0]


def test_a_first_page_is_one_query(table):
    walk = table_walk(Scan(table, equals={"userId": "ada"}, bucket_from=1, bucket_to=9))
    limits = {"$gte": DatetimeMS(1), "$lt": DatetimeMS(9)}
    assert walk.conditions == ({"userId": "ada", "window_start": limits},)
    assert walk.order == (("window_start", -1), ("pageUrl", 1), ("userId", 1))


def test_a_later_page_goes_on_in_the_bucket_of_the_last_row_and_then_in_older_ones(table):
    walk = table_walk(Scan(table, equals={"userId": "ada"}, after=(5, "/a", "ada"), bucket_to=9))
    in_bucket, older = walk.conditions
    assert in_bucket["pageUrl"] == {"$gt": "/a"}
    assert in_bucket["window_start"] == {"$eq": DatetimeMS(5), "$lt": DatetimeMS(9)}
    assert older == {"window_start": {"$lt": DatetimeMS(5)}, "userId": "ada"}


def test_the_ledger_is_walked_newest_minute_first():
    assert ledger_walk(None, None).conditions == ({},)
    assert len(ledger_walk(60_000, (120_000, "s")).conditions) == 2


def test_uncounted_records_are_those_of_the_revision():
    [condition] = uncounted_walk(UncountedScan(verdict="late", offset_from=3), 8).conditions
    assert condition == {"verdict": "late", "_revision": {"$lte": 8}, "offset": {"$gte": 3}}
    [condition] = uncounted_walk(UncountedScan(only_not_replayed=True), 8).conditions
    assert condition == {"_revision": {"$lte": 8}, "replayed_at": None}


class Numbers:
    """A collection of the numbers below 1000, of which a query gives the first ones."""

    def __init__(self):
        self.asked = []

    def find(self, condition, projection):
        del condition, projection
        return self

    def sort(self, order):
        del order
        return self

    def limit(self, count):
        self.asked.append(count)
        return [{"n": n} for n in range(count or 1000)]


def every_hundredth(documents):
    return [(document["n"],) for document in documents if document["n"] % 100 == 0]


def test_when_too_few_documents_are_visible_more_are_asked_for():
    numbers = Numbers()
    walk = Walk(({},), ())
    assert walk.rows(numbers, {}, every_hundredth, 3) == [(0,), (100,), (200,)]
    assert numbers.asked[0] == 3 + EXTRA_DOCUMENTS
    assert len(numbers.asked) < 5


def test_a_walk_ends_with_its_limit():
    walk = Walk(({}, {}), ())
    assert len(walk.rows(Numbers(), {}, every_hundredth, 12)) == 12
    assert len(walk.rows(Numbers(), {}, every_hundredth, None)) == 20
    assert walk.rows(Numbers(), {}, every_hundredth, 0) == []
    assert len(walk.rows(Numbers(), {}, every_hundredth, 2**31)) == 20
