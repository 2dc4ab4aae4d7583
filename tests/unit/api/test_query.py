"""Query parameters are read strictly."""

import pytest
from litestar.testing import RequestFactory

from rtcdp.api.problem import BadRequest
from rtcdp.api.query import LIMIT, Query, documented, names_of, read_query


def query(text: bytes, *allowed: str) -> Query:
    request = RequestFactory().get("/")
    request.scope["query_string"] = text
    return read_query(request, allowed)


def test_parameters_are_decoded_as_utf_8() -> None:
    assert query(b"userId=s%C3%B8ren+a%2Bb", "userId").text("userId") == "søren a+b"
    assert query("userId=ü".encode(), "userId").text("userId") == "ü"


def test_an_empty_value_is_a_value() -> None:
    assert query(b"userId=", "userId").text("userId") == ""


def test_an_unknown_parameter_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadRequest, match="no parameter 'user'") as refused:
        query(b"user=ada", "userId", "from", "to")
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
        Query({"limit": text}).number("limit", default=5, most=10)
    assert refused.value.hint == "send a whole number from 1 to 10"


def test_a_number_in_range_is_taken_and_an_absent_one_has_a_default() -> None:
    assert Query({"limit": "10"}).number("limit", default=5, most=10) == 10
    assert Query({}).number("limit", default=5, most=10) == 5


def test_one_of_a_few_words_is_taken_and_others_refused() -> None:
    assert Query({"verdict": "late"}).one_of("verdict", ("late", "admitted")) == "late"
    with pytest.raises(BadRequest) as refused:
        Query({"verdict": "gone"}).one_of("verdict", ("late", "admitted"))
    assert refused.value.hint == "send late or admitted"


def test_text_fields_of_events_are_filters() -> None:
    assert Query({"userId": "ada", "limit": "1"}).equals() == {"userId": "ada"}


def test_what_is_read_is_what_is_documented() -> None:
    operation = documented(LIMIT)()
    assert [parameter.name for parameter in operation.parameters] == list(names_of((LIMIT,)))
    assert "application/problem+json" in operation.responses["default"].content
