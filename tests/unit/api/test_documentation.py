"""The OpenAPI description."""

from litestar import Litestar
from litestar.openapi.spec import OpenAPIType, Schema
from litestar.testing import TestClient

from rtcdp.answers.metrics import RecentPageViewsQuestion, WindowsQuestion
from rtcdp.answers.question import Nothing
from rtcdp.api.documentation import answer_schema, documented
from rtcdp.api.query import Asked
from rtcdp.definitions import Average, Count, Metric, TopK, tumbling

Api = TestClient[Litestar]

METRIC = Metric(
    name="searches",
    title="Searches",
    key=("userId",),
    window=tumbling(minutes=1),
    measures=(Count("n"), Average("mean"), TopK("pages", "pageUrl", k=3)),
)


def described(asked: Asked, name: str) -> Schema:
    found = {each.name: each.schema for each in documented(asked)().parameters}
    return found[name]


def test_every_address_is_described_as_it_is_asked_for(api: Api) -> None:
    paths = api.get("/schema/openapi.json").json()["paths"]
    assert list(paths) == [
        "/api/analytics/user/{userId}/page-views",
        "/api/analytics/recent-page-views",
        "/api/metrics",
        "/api/metrics/user_page_view_counts",
        "/api/metrics/revenue",
        "/api/query",
        "/api/events",
        "/api/ledger",
        "/api/dead-letters",
        "/api/late-events",
        "/api/duplicates",
        "/api/folds",
        "/api/folds/{name}",
        "/api/sessions",
        "/api/sessions/days",
        "/api/sessions/{sessionId}/events",
        "/api/users/{userId}",
        "/api/funnels",
        "/api/funnels/{name}",
        "/api/funnels/{name}/people",
        "/api/retention/{name}",
        "/api/retention/{name}/people",
        "/api/paths/{name}",
        "/api/paths/{name}/people",
        "/api/joins/{name}",
        "/api/joins/{name}/totals",
        "/api/joins/{name}/{rowId}/events",
        "/api/dead-letters/{partition}/{offset}/replay",
        "/api/user-data/{userId}",
        "/api/erasures/{erasureId}",
        "/api/anomalies",
        "/api/anomalies/{anomalyId}",
        "/api/anomalies/{anomalyId}/acknowledgement",
        "/api/recommendations/user/{userId}",
        "/api/recommendations/product/{productId}",
        "/api/recommendations/basket",
        "/api/recommendations/trending",
        "/api/recommendations/outcomes",
        "/api/products",
        "/api/products/{productId}",
        "/api/product-updates/unused",
        "/api/live",
        "/health/live",
        "/health/ready",
        "/metrics",
    ]


def test_every_operation_has_a_summary_and_describes_its_errors(api: Api) -> None:
    paths = api.get("/schema/openapi.json").json()["paths"]
    operations = [operation for item in paths.values() for operation in item.values()]
    assert all(operation["summary"] for operation in operations)
    assert all("default" in operation["responses"] for operation in operations)


def test_every_operation_stands_under_one_of_the_headings(api: Api) -> None:
    document = api.get("/schema/openapi.json").json()
    headings = [tag["name"] for tag in document["tags"]]
    assert headings == ["Ask", "Look", "Operate", "Metrics"]
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    assert {operation["tags"][0] for operation in operations} == {"Ask", "Look", "Operate"}
    revenue = document["paths"]["/api/metrics/revenue"]["get"]
    assert revenue["tags"] == ["Ask", "Metrics"]


def test_parameters_are_described(api: Api) -> None:
    operation = api.get("/schema/openapi.json").json()["paths"]["/api/ledger"]["get"]
    assert [parameter["name"] for parameter in operation["parameters"]] == [
        "from",
        "since",
        "limit",
        "cursor",
        "format",
    ]


def test_nothing_is_loaded_from_elsewhere(api: Api) -> None:
    assert "http" not in api.get("/schema").text.replace("httpx", "")


def test_what_is_read_is_what_is_documented() -> None:
    operation = documented(Asked(RecentPageViewsQuestion))()
    assert [parameter.name for parameter in operation.parameters] == ["minutes", "limit", "cursor"]
    assert "application/problem+json" in operation.responses["default"].content


def test_numbers_have_their_bounds_and_default() -> None:
    schema = described(Asked(RecentPageViewsQuestion), "minutes")
    assert (schema.type, schema.minimum, schema.maximum) == (OpenAPIType.INTEGER, 1, 527_040)
    assert schema.default == 5


def test_a_filter_is_an_array_because_it_may_be_sent_several_times() -> None:
    schema = described(Asked(WindowsQuestion, {"userId": "of this user"}), "userId")
    assert (schema.type, schema.items.type) == (OpenAPIType.ARRAY, OpenAPIType.STRING)


def test_a_closed_list_names_its_words() -> None:
    assert described(Asked(WindowsQuestion), "state").enum == ["open", "closed"]


def test_a_time_may_be_a_word() -> None:
    first, *others = described(Asked(WindowsQuestion), "at").one_of
    assert first.const == "now"
    assert others == list(described(Asked(WindowsQuestion), "from").one_of)


def test_an_answer_can_be_described_better_than_its_type_does() -> None:
    schema = Schema(type=OpenAPIType.OBJECT)
    operation = documented(Asked(Nothing), answer=schema)()
    assert operation.responses["200"].content["application/json"].schema is schema


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
