"""What the built-in metrics promise to whoever reads them."""

from pathlib import Path

import pytest

from rtcdp.catalog.catalog import BUILT_IN, load_catalog, load_definition
from rtcdp.definitions import (
    Average,
    Count,
    Distinct,
    Equals,
    Maximum,
    Minimum,
    Sum,
    TopK,
    tables_of,
)

FILES = sorted(file for file in BUILT_IN.glob("*.py") if file.name != "__init__.py")


def test_the_namesake_counts_page_views_by_user() -> None:
    metric = load_definition(BUILT_IN / "user_page_view_counts.py")
    (table,) = tables_of(metric)

    assert metric.predicate == Equals("eventType", "PAGE_VIEW")
    assert (metric.window.size_ms, metric.window.slide_ms) == (60_000, 30_000)
    assert table.name == "user_page_view_counts"
    assert table.column_names == ("window_start", "userId", "page_view_count")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_is_called_as_its_metric(file: Path) -> None:
    assert load_definition(file).name == file.stem


@pytest.mark.parametrize("metric", load_catalog(), ids=lambda metric: metric.name)
def test_an_analyst_can_read_what_it_is(metric) -> None:
    assert metric.title[0].isupper()
    assert not metric.title.endswith(".")
    assert metric.description[0].isupper()
    assert metric.description.endswith(".")
    assert metric.description.count(". ") == 0


def test_titles_tell_metrics_apart() -> None:
    titles = [metric.title for metric in load_catalog()]

    assert len(set(titles)) == len(titles)


def test_together_they_exercise_every_measure_and_both_ways_to_keep_windows() -> None:
    catalog = load_catalog()
    used = {type(measure) for metric in catalog for measure in metric.measures}

    assert used == {Count, Sum, Minimum, Maximum, Average, Distinct, TopK}
    assert {metric.window.is_written_out for metric in catalog} == {True, False}
