import polars as pl

from rtcdp.definitions import Count, Distinct, Metric, TopK, tables_of, tumbling
from rtcdp.engines.native.lowering import changes_of
from rtcdp.engines.native.user_rows import (
    groups_of,
    is_counted_among_members,
    named_rows,
    rows_of_groups,
    without_name,
)
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.epochs import EpochMaker

BY_USER = Metric("by_user", "By user", tumbling(minutes=1), (Count("n"),), key=("userId",))
BY_PAGE = Metric(
    "by_page",
    "By page",
    tumbling(minutes=1),
    (Count("n"), Distinct("users", "userId"), TopK("top", "userId")),
    key=("pageUrl",),
)
EVENTS = pl.DataFrame(
    {
        "userId": ["ada", "bob", "ada"],
        "pageUrl": ["/a", "/a", "/b"],
        "timestamp": [0, 1, 60_000],
        "source": "s",
    }
)


def test_rows_that_name_a_user_are_found_in_keys_members_and_items(tmp_path):
    store = SqliteStore(tmp_path / "store.db")
    store.prepare((BY_USER, BY_PAGE))
    store.commit(EpochMaker().make(*changes_of([BY_USER, BY_PAGE], EVENTS), admitted=3))
    with store.snapshot() as snapshot:
        found = {
            table.name: sum(rows.height for rows in named_rows(snapshot, metric, table, "ada"))
            for metric in (BY_USER, BY_PAGE)
            for table in tables_of(metric)
        }
        pages = tables_of(BY_PAGE)[0]
        groups = groups_of(pages, [pl.DataFrame({"window_start": [0], "pageUrl": ["/a"]})])
        assert rows_of_groups(snapshot, pages, groups).rows() == [(0, "/a", 2)]
    assert found == {"by_user": 2, "by_page": 0, "by_page__users": 2, "by_page__top": 2}
    store.close()


def test_who_has_no_name_any_more_counts_as_before():
    members = tables_of(BY_PAGE)[1]
    rows = pl.DataFrame({"window_start": [0, 9], "pageUrl": ["/a", "/b"], "member": [5, -(2**63)]})
    nameless = without_name(members, rows, lambda count: b"\xff" * count)
    assert nameless.drop("member").equals(rows.drop("member"))
    first, second = nameless["member"].to_list()
    # No smaller number is there than the smallest.
    assert first < 5
    assert second == -(2**63)
    assert [is_counted_among_members(BY_PAGE, each) for each in tables_of(BY_PAGE)] == [
        False,
        True,
        False,
    ]
