"""A metric in one file: the copy counts it, describes it and answers with it."""

from rtcdp.catalog.catalog import load_catalog
from rtcdp.catalog.reference import section
from rtcdp.testing.driver import START_MS, Driver


def test_it_is_counted_and_described(tmp_path):
    metric = next(metric for metric in load_catalog(None) if metric.name == "searches")
    driver = Driver([metric], tmp_path)
    for user in ("ada", "ada", "bob"):
        driver.feed({"userId": user, "eventType": "SEARCH", "timestamp": START_MS})
    driver.feed({"userId": "eve", "eventType": "PAGE_VIEW", "timestamp": START_MS})
    (window,) = driver.windows("searches")
    assert (window["search_count"], window["people"]) == (3, 2)
    driver.close()
    assert "search_count" in section(metric)
