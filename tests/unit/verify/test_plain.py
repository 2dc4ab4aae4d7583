from rtcdp.definitions import (
    Buckets,
    Calendar,
    Compare,
    Count,
    Equals,
    Everything,
    Metric,
    Present,
    Property,
    Sum,
    TopK,
    UrlHost,
    UrlPath,
    all_of,
    any_of,
    event_type,
    negate,
    sliding,
)
from rtcdp.log.contract import RawRecord
from rtcdp.verify.judge import PlainRecord
from rtcdp.verify.plain import plain_metric, plain_records


def test_a_definition_as_plain_data() -> None:
    metric = Metric(
        "m",
        "M",
        sliding(size_seconds=60, every_seconds=30),
        (Count("events"), Sum("total"), TopK("pages", "pageUrl", k=3)),
        ("userId",),
        all_of(event_type("A"), negate(Compare("value", "<", 1)), Present("pageUrl"), Everything()),
    )
    assert plain_metric(metric) == {
        "name": "m",
        "size_ms": 60_000,
        "slide_ms": 30_000,
        "key": ("userId",),
        "predicate": {
            "is": "all",
            "of": [
                {"is": "one_of", "field": "eventType", "texts": ["A"]},
                {
                    "is": "not",
                    "of": {"is": "compare", "field": "value", "comparison": "<", "limit": 1},
                },
                {"is": "present", "field": "pageUrl"},
                {"is": "all", "of": []},
            ],
        },
        "measures": [
            {"name": "events", "kind": "count"},
            {"name": "total", "kind": "sum", "field": "value"},
            {"name": "pages", "kind": "topk", "field": "pageUrl", "item": "pageUrl", "k": 3},
        ],
    }


def test_what_is_made_of_fields_as_plain_data() -> None:
    price = Property("price")
    metric = Metric(
        "m",
        "M",
        Calendar("week", "Asia/Tokyo", "sunday"),
        (Sum("paid", price, where=Present(price)), TopK("hosts", UrlHost(called="host"), k=3)),
        (price, UrlPath(), Buckets(price, (0, 10), called="range")),
        any_of(Compare(price, "==", 2), negate(Equals(UrlPath(), "/a"))),
    )
    number, path = {"made": "number", "key": "price"}, {"made": "path", "of": "pageUrl"}
    text, host = {"made": "property", "key": "price"}, {"made": "host", "of": "pageUrl"}
    equal = {"is": "one_of", "field": path, "texts": ["/a"]}
    assert plain_metric(metric) == {
        "name": "m",
        "calendar": {"unit": "week", "zone": "Asia/Tokyo", "week_starts": "sunday"},
        "key": (text, path, {"made": "buckets", "of": number, "limits": (0, 10)}),
        "predicate": {
            "is": "any",
            "of": [
                {"is": "compare", "field": number, "comparison": "==", "limit": 2},
                {"is": "not", "of": equal},
            ],
        },
        "measures": [
            {
                "name": "paid",
                "kind": "sum",
                "field": number,
                "where": {"is": "present", "field": text},
            },
            {"name": "hosts", "kind": "topk", "field": host, "item": "host", "k": 3},
        ],
    }


def test_records_as_plain_data() -> None:
    raw = RawRecord(1, 2, 3, "shop", "import", b"{}", is_corrupt=True, replay_of="0:1")
    assert list(plain_records([raw])) == [
        PlainRecord(1, 2, 3, "shop", "import", b"{}", "0:1", is_corrupt=True)
    ]
