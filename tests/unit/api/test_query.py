"""Query parameters are read strictly."""

import pytest
from litestar.openapi.spec import Schema
from litestar.testing import RequestFactory

from rtcdp.api.parameter import QueryParameter, text
from rtcdp.api.query import Query, read_query
from rtcdp.errors import BadRequest
from rtcdp.events.event import MIN_TIMESTAMP_MS


def query(sent: bytes, *allowed: str, many: tuple[str, ...] = ()) -> Query:
    request = RequestFactory().get("/")
    request.scope["query_string"] = sent
    once = [QueryParameter(name, "", Schema()) for name in allowed]
    return read_query(request, [*once, *(text(name, "") for name in many)])


def sent(**values: str) -> Query:
    return Query({name: (value,) for name, value in values.items()})


def test_parameters_are_decoded_as_utf_8() -> None:
    assert query(b"userId=s%C3%B8ren+a%2Bb", "userId").text("userId") == "søren a+b"
    assert query("userId=ü".encode(), "userId").text("userId") == "ü"


def test_an_empty_value_is_a_value() -> None:
    assert query(b"userId=", "userId").text("userId") == ""


def test_an_unknown_parameter_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadRequest, match="no parameter 'who'") as refused:
        query(b"who=ada", "userId", "from", "to")
    assert refused.value.hint == "send userId, from or to"


def test_where_there_are_none_the_hint_says_so() -> None:
    with pytest.raises(BadRequest) as refused:
        query(b"x=1")
    assert refused.value.hint == "send no parameters"


def test_a_parameter_sent_twice_is_refused() -> None:
    with pytest.raises(BadRequest, match="limit is there twice"):
        query(b"limit=1&limit=2", "limit")


@pytest.mark.parametrize("text", [b"userId=%FF", b"userId=\xff", b"a&" * 60])
def test_what_is_not_text_or_too_much_is_refused(text: bytes) -> None:
    with pytest.raises(BadRequest, match="can't be read"):
        query(text, "userId", "a")


@pytest.mark.parametrize("text", ["0", "-1", "11", "1.0", "", "x", "1e1", "١", "9" * 5000])
def test_a_number_out_of_range_is_refused_with_the_range(text: str) -> None:
    with pytest.raises(BadRequest) as refused:
        sent(limit=text).number("limit", default=5, most=10)
    assert refused.value.hint == "send a whole number from 1 to 10"


def test_a_number_in_range_is_taken_and_an_absent_one_has_a_default() -> None:
    assert sent(limit="10").number("limit", default=5, most=10) == 10
    assert Query({}).number("limit", default=5, most=10) == 5


def test_one_of_a_few_words_is_taken_and_others_refused() -> None:
    assert sent(verdict="late").one_of("verdict", ("late", "admitted")) == "late"
    with pytest.raises(BadRequest) as refused:
        sent(verdict="gone").one_of("verdict", ("late", "admitted"))
    assert refused.value.hint == "send late or admitted"


def test_text_fields_of_events_are_filters() -> None:
    assert sent(userId="ada", limit="1").equals() == {"userId": ("ada",)}


def test_several_values_of_a_filter_mean_any_of_them() -> None:
    found = query(b"userId=ada&userId=bob&userId=ada", many=("userId",))
    assert found.equals() == {"userId": ("ada", "bob")}


def test_a_text_that_no_event_can_have_is_refused() -> None:
    with pytest.raises(BadRequest, match="U\\+0000"):
        sent(userId="a\0b").equals()


@pytest.mark.parametrize(
    ("name", "meant"),
    [(b"userid", "userId"), (b"user_id", "userId"), (b"form", "from"), (b"limits", "limit")],
)
def test_an_unknown_parameter_is_answered_with_what_was_probably_meant(
    name: bytes, meant: str
) -> None:
    with pytest.raises(BadRequest) as refused:
        query(name + b"=1", "userId", "from", "limit")
    assert refused.value.hint.startswith(f"did you mean {meant}? ")


def test_an_unknown_word_is_answered_with_what_was_probably_meant() -> None:
    with pytest.raises(BadRequest) as refused:
        sent(reason="not-jsn").one_of("reason", ("not_json", "future"))
    assert refused.value.hint == "did you mean not_json? send not_json or future"


@pytest.mark.parametrize(
    ("since", "start_ms"), [("1s", 9_000), ("2m", -110_000), ("1h", -3_590_000), ("999999w", None)]
)
def test_since_is_a_duration_before_now(since: str, start_ms: int | None) -> None:
    start = sent(since=since).start(lambda: 10_000)
    assert start == (MIN_TIMESTAMP_MS if start_ms is None else start_ms)


@pytest.mark.parametrize("since", ["", "1", "h", "-1h", "1.5h", "0h", "1y", "1h ", "1000000s"])
def test_what_is_no_duration_is_refused_with_an_example(since: str) -> None:
    with pytest.raises(BadRequest) as refused:
        sent(since=since).start(lambda: 0)
    assert "since=1h" in refused.value.hint


def test_a_list_begins_at_one_time() -> None:
    assert sent(**{"from": "1970-01-02"}).start(lambda: 0) == 86_400_000
    with pytest.raises(BadRequest, match="both say where to begin"):
        sent(since="1h", **{"from": "1970-01-02"}).start(lambda: 0)
