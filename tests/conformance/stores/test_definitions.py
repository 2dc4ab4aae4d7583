"""Tables follow the metrics' definitions, and what a table has missed is known."""

from dataclasses import replace

import pytest

from rtcdp.definitions import Count, Distinct, tables_of
from rtcdp.errors import UsageError
from rtcdp.store import StateMismatch
from rtcdp.testing.epochs import change


@pytest.fixture
def views(metrics):
    return metrics["views"]


@pytest.fixture
def changed(views):
    return replace(views, key=("productId",), measures=(*views.measures, Count("again")))


def names(metrics):
    return [metric.name for metric in metrics]


def test_in_a_fresh_store_nothing_has_to_be_backfilled(open_store, metrics):
    store = open_store()
    assert list(store.prepare(tuple(metrics.values()))) == []
    assert list(store.metrics()) == sorted(metrics)
    assert store.backfill_offsets("views") is None


def test_preparing_again_keeps_everything(store, epochs, tables, metrics):
    store.commit(epochs.make(change(tables["views"], (0, "ada", 1, None, None))))
    assert list(store.prepare(tuple(metrics.values()))) == []
    assert store.dump(tables["views"]).height == 1


def test_a_metric_that_is_new_to_a_used_store_has_to_be_backfilled(open_store, epochs, metrics):
    store = open_store()
    store.prepare([metrics["shop"]])
    store.commit(epochs.make())
    assert names(store.prepare([metrics["shop"], metrics["views"]])) == ["views"]
    assert store.backfill_offsets("views") == {}
    assert store.backfill_offsets("shop") is None
    assert store.backfills() == {"shop": None, "views": {}}


def test_a_changed_definition_starts_from_nothing(store, epochs, tables, metrics, changed):
    store.commit(epochs.make(change(tables["views"], (0, "ada", 1, None, None))))
    others = [metrics["shop"], metrics["reach"], metrics["total"]]
    assert names(store.prepare([changed, *others])) == ["views"]
    [table] = tables_of(changed)
    assert store.dump(table).is_empty()
    assert store.backfill_offsets("views") == {}


def test_a_changed_definition_in_a_fresh_store_is_complete(store, metrics, changed):
    assert list(store.prepare([changed, metrics["total"]])) == []


def test_a_changed_window_moves_from_panes_to_windows_and_back(store, epochs, tables, metrics):
    total = metrics["total"]
    store.commit(epochs.make(change(tables["total__panes"], (0, 1))))
    written_out = replace(total, window=replace(total.window, slide_ms=total.window.size_ms))
    assert names(store.prepare([written_out])) == ["total"]
    assert names(store.prepare([total])) == ["total"]
    assert store.dump(tables["total__panes"]).is_empty()


def test_a_new_title_changes_nothing(store, epochs, views, metrics):
    store.commit(epochs.make())
    kept = [metric for metric in metrics.values() if metric != views]
    assert list(store.prepare([replace(views, title="Other words"), *kept])) == []


def test_a_backfill_resumes_where_it_was_until_it_is_complete(store, epochs, tables, metrics):
    store.prepare([metrics["shop"]])
    store.commit(epochs.make(admitted=9))
    store.prepare([metrics["shop"], metrics["views"]])
    step = [change(tables["views"], (0, "ada", 2, 1.0, 1.0))]
    store.commit_backfill("views", step, {0: 4}, complete=False)
    assert store.backfill_offsets("views") == {0: 4}
    assert names(store.prepare([metrics["shop"], metrics["views"]])) == ["views"]
    assert store.backfill_offsets("views") == {0: 4}
    store.commit_backfill("views", step, {0: 9}, complete=True)
    assert store.backfill_offsets("views") is None
    assert store.dump(tables["views"]).row(0) == (0, "ada", 4, 1.0, 1.0)
    assert list(store.prepare([metrics["shop"], metrics["views"]])) == []


def test_a_step_that_fails_leaves_nothing_behind(store, epochs, tables, metrics):
    store.prepare([metrics["shop"]])
    store.commit(epochs.make(admitted=9))
    store.prepare([metrics["shop"], metrics["views"]])
    good = change(tables["views"], (0, "ada", 2, 1.0, 1.0))
    other = change(tables["shop"], (0, "/a", "ada", 1, 0, 1, 0, 1))
    with pytest.raises(StateMismatch, match="shop"):
        store.commit_backfill("views", [good, other], {0: 4}, complete=False)
    assert store.dump(tables["views"]).is_empty()
    assert store.backfill_offsets("views") == {}


def test_a_complete_metric_is_not_backfilled_again(store, tables):
    step = [change(tables["views"], (0, "ada", 2, 1.0, 1.0))]
    with pytest.raises(StateMismatch, match="complete"):
        store.commit_backfill("views", step, {0: 4}, complete=True)
    assert store.dump(tables["views"]).is_empty()


def test_a_metric_that_was_left_out_keeps_its_rows_and_resumes_where_it_stopped(
    store, epochs, tables, metrics
):
    store.commit(epochs.make(change(tables["views"], (0, "ada", 1, None, None)), admitted=5))
    store.prepare([metrics["shop"]])
    store.commit(epochs.make(admitted=3))
    assert store.dump(tables["views"]).height == 1
    assert names(store.prepare([metrics["shop"], metrics["views"]])) == ["views"]
    assert store.backfill_offsets("views") == {0: 5}
    assert store.dump(tables["views"]).height == 1


def test_a_metric_that_was_left_out_and_missed_nothing_is_complete(store, epochs, metrics):
    store.commit(epochs.make(admitted=5))
    store.prepare([metrics["shop"]])
    assert list(store.prepare([metrics["shop"], metrics["views"]])) == []
    assert store.backfill_offsets("views") is None


def test_an_unknown_metric_has_no_backfill(store):
    with pytest.raises(UsageError, match="nobody"):
        store.backfill_offsets("nobody")


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "sqlite_views"},
        {"measures": (Count("userid"),)},
        {"measures": (Distinct("panes", "userId"),), "name": "total"},
    ],
)
def test_names_that_the_database_can_not_keep_apart_are_refused(open_store, views, metrics, fields):
    window = metrics["total"].window if fields.get("name") == "total" else views.window
    with pytest.raises(UsageError):
        open_store().prepare([replace(views, window=window, **fields)])


def test_two_metrics_of_one_name_are_refused(open_store, views):
    with pytest.raises(UsageError, match="two tables"):
        open_store().prepare([views, views])
