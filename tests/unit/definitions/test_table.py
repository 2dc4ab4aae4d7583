from dataclasses import replace

import pytest

from rtcdp.definitions import (
    Average,
    Column,
    Count,
    Distinct,
    Maximum,
    Metric,
    Minimum,
    Sum,
    Table,
    TopK,
    sliding,
    tables_of,
    tumbling,
)

VIEWS = Metric(
    name="views",
    title="Views",
    key=("userId", "pageUrl"),
    window=tumbling(minutes=1),
    measures=(Count("view_count"),),
)


def test_a_metric_rests_in_a_table_of_its_name() -> None:
    assert tables_of(VIEWS) == (
        Table(
            name="views",
            metric="views",
            bucket_ms=60_000,
            key=("userId", "pageUrl"),
            columns=(Column("view_count", "integer", "add"),),
        ),
    )


def test_windows_of_small_overlap_are_written_out() -> None:
    slides = replace(VIEWS, window=sliding(size_seconds=60, every_seconds=30))

    assert [(table.name, table.bucket_ms) for table in tables_of(slides)] == [("views", 60_000)]


def test_of_windows_with_a_large_overlap_only_panes_are_kept() -> None:
    slides = replace(VIEWS, window=sliding(size_seconds=3600, every_seconds=60))

    assert [(t.name, t.bucket_ms) for t in tables_of(slides)] == [("views__panes", 60_000)]


@pytest.mark.parametrize(
    ("measure", "columns"),
    [
        (Count("n"), [("n", "integer", "add")]),
        (Minimum("n"), [("n", "real", "min")]),
        (Maximum("n"), [("n", "real", "max")]),
        (Sum("n"), [("n__units", "integer", "add"), ("n__micros", "integer", "add")]),
        (
            Average("n"),
            [
                ("n__units", "integer", "add"),
                ("n__micros", "integer", "add"),
                ("n__count", "integer", "add"),
            ],
        ),
        (Distinct("n", "userId"), []),
        (TopK("n", "userId"), []),
    ],
)
def test_a_measure_becomes_columns_that_merge_by_themselves(
    measure: Count, columns: list[tuple[str, str, str]]
) -> None:
    buckets = tables_of(replace(VIEWS, measures=(measure,)))[0]

    assert [(column.name, column.type, column.merge) for column in buckets.columns] == columns


def test_distinct_values_rest_in_a_table_of_members() -> None:
    _, members = tables_of(replace(VIEWS, measures=(Distinct("visits", "sessionId"),)))

    assert members.name == "views__visits"
    assert members.column_names == ("window_start", "userId", "pageUrl", "member")
    assert members.primary_key == members.column_names
    assert members.member == ("member", "integer")
    assert (members.bound, members.capacity) == ("smallest_members", 8192)


def test_top_items_rest_in_a_table_of_items() -> None:
    _, items = tables_of(replace(VIEWS, measures=(TopK("products", "productId"),)))

    assert items.name == "views__products"
    assert items.column_names == ("window_start", "userId", "pageUrl", "item", "item_count")
    assert items.primary_key == ("window_start", "userId", "pageUrl", "item")
    assert items.member == ("item", "text")
    assert (items.bound, items.capacity) == ("heaviest_items", 10_000)


def test_members_are_kept_in_the_same_buckets_as_the_rest() -> None:
    slides = replace(
        VIEWS,
        window=sliding(size_seconds=3600, every_seconds=60),
        measures=(Count("view_count"), Distinct("visits", "sessionId")),
    )

    assert {table.bucket_ms for table in tables_of(slides)} == {60_000}


def test_the_primary_key_comes_first_in_stored_order() -> None:
    (buckets,) = tables_of(VIEWS)

    assert buckets.primary_key == ("window_start", "userId", "pageUrl")
    assert buckets.column_names == ("window_start", "userId", "pageUrl", "view_count")


def test_tables_of_different_metrics_have_different_names() -> None:
    names = ("a", "a_", "a_b", "ab", "b", "panes")
    measures = (Distinct("a", "userId"), Distinct("a_", "userId"), TopK("b", "userId"))
    windows = (tumbling(minutes=1), sliding(size_seconds=60, every_seconds=1))
    catalogs = [
        [replace(VIEWS, name=name, window=window, measures=measures) for name in names]
        for window in windows
    ]

    for catalog in catalogs:
        tables = [table.name for metric in catalog for table in tables_of(metric)]
        assert len(set(tables)) == len(tables)
