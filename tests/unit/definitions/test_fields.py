from rtcdp.definitions import (
    Compare,
    Count,
    Distinct,
    Everything,
    Metric,
    Predicate,
    Present,
    TopK,
    any_of,
    fields_of,
    negate,
    tumbling,
)

EVERYTHING = Everything()


def metric(*measures, key=(), predicate: Predicate = EVERYTHING) -> Metric:
    return Metric("m", "M", tumbling(minutes=1), measures, key, predicate)


def test_only_needed_fields_are_asked_for() -> None:
    needs = [
        metric(Count("n"), key=("productId", "source"), predicate=Compare("value", ">", 0)),
        metric(Distinct("users", "userId"), predicate=negate(any_of(Present("pageUrl")))),
    ]
    assert fields_of(needs) == ("pageUrl", "productId", "userId", "value")


def test_measures_need_their_fields() -> None:
    assert fields_of([metric(TopK("top", "sessionId"), Count("n"))]) == ("sessionId",)
