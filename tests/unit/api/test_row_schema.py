"""Windows of a metric as they are described are windows as they are sent."""

from rtcdp.api.row_schema import answer_schema
from rtcdp.definitions import Average, Count, Metric, TopK, tumbling

METRIC = Metric(
    name="searches",
    title="Searches",
    key=("userId",),
    window=tumbling(minutes=1),
    measures=(Count("n"), Average("mean"), TopK("pages", "pageUrl", k=3)),
)


def test_a_row_has_the_key_the_window_and_each_measure() -> None:
    row = answer_schema(METRIC).properties["items"].items
    names = ["userId", "window_start", "window_end", "n", "mean", "pages", "final"]
    assert row.required == names


def test_a_measure_has_the_type_of_its_value() -> None:
    properties = answer_schema(METRIC).properties["items"].items.properties
    shown = {name: properties[name].to_schema() for name in ("n", "mean", "pages")}
    assert shown["n"] == {"type": "integer"}
    assert shown["mean"] == {"oneOf": [{"type": "number"}, {"type": "null"}]}
    assert shown["pages"]["maxItems"] == 3
    assert list(shown["pages"]["items"]["properties"]) == ["pageUrl", "count"]


def test_all_that_an_answer_may_say_is_described() -> None:
    page = answer_schema(METRIC)
    at_times = {"complete_from", "incomplete", "warning"}
    assert set(page.properties) - set(page.required) == at_times
    assert page.properties["lag_ms"].to_schema() == {
        "oneOf": [{"type": "integer"}, {"type": "null"}]
    }
    row = page.properties["items"].items
    assert set(row.properties) - set(row.required) == {"partial"}
