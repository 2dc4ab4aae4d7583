"""Questions are read strictly."""

from typing import Annotated, Literal

import msgspec
import pytest
from litestar import Litestar
from litestar.testing import RequestFactory

from rtcdp.answers.question import NAMES, Cursor, From, Nothing, Since, Texts
from rtcdp.api.query import Asked
from rtcdp.errors import BadRequest


def said(text: str) -> msgspec.Meta:
    return msgspec.Meta(description=text)


class Question(msgspec.Struct, frozen=True, kw_only=True, rename=NAMES):
    """One field of each kind."""

    equals: Texts = {}
    start_from: From = None
    since: Since = None
    at: Annotated[
        int | Literal["now"] | None, msgspec.Meta(description="then", extra={"written": "instant"})
    ] = None
    state: Annotated[Literal["open", "closed"] | None, said("how")] = None
    reason: Annotated[tuple[Literal["not_json", "future"], ...], said("why")] = ()
    unit: Annotated[Literal["day", "week"], said("by what")] = "day"
    metric: Annotated[str | None, said("which")] = None
    limit: Annotated[int, msgspec.Meta(description="how many", ge=1, le=10)] = 5
    cursor: Cursor = None


ASKED = Asked(Question, {"userId": "of this user", "source": "of this source"})


def read(sent: bytes, asked: Asked = ASKED) -> Question:
    request = RequestFactory(Litestar(logging_config=None)).get("/")
    request.scope["query_string"] = sent
    return asked.read(request)


def hint_of(sent: bytes, asked: Asked = ASKED) -> str:
    with pytest.raises(BadRequest) as refused:
        read(sent, asked)
    return refused.value.hint


def test_what_is_not_sent_is_what_it_is_if_nobody_says() -> None:
    assert read(b"") == Question()


def test_parameters_are_those_of_the_question_in_its_order() -> None:
    assert [parameter.name for parameter in ASKED.parameters] == [
        *("userId", "source", "from", "since", "at", "state", "reason", "unit"),
        *("metric", "limit", "cursor"),
    ]


def test_a_word_that_is_not_on_the_list_is_refused_also_where_one_is_always_meant() -> None:
    assert read(b"unit=week").unit == "week"
    assert hint_of(b"unit=year") == "send day or week"
    for each in ASKED.parameters:
        assert (each.kind == "words") == (each.name in {"state", "reason", "unit"})


def test_parameters_are_decoded_as_utf_8() -> None:
    assert read(b"metric=s%C3%B8ren+a%2Bb").metric == "søren a+b"
    assert read("metric=ü".encode()).metric == "ü"


def test_an_empty_value_is_a_value() -> None:
    assert read(b"metric=").metric == ""
    assert read(b"userId=").equals == {"userId": ("",)}


def test_an_unknown_parameter_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadRequest, match="no parameter 'who'"):
        read(b"who=ada")
    assert hint_of(b"who=ada").endswith(
        "send userId, source, from, since, at, state, reason, unit, metric, limit or cursor"
    )


def test_where_there_are_none_the_hint_says_so() -> None:
    assert hint_of(b"x=1", Asked(Nothing)) == "send no parameters"


def test_a_parameter_sent_twice_is_refused() -> None:
    with pytest.raises(BadRequest, match="limit is there twice"):
        read(b"limit=1&limit=2")


@pytest.mark.parametrize("text", [b"userId=%FF", b"userId=\xff", b"a&" * 60])
def test_what_is_not_text_or_too_much_is_refused(text: bytes) -> None:
    with pytest.raises(BadRequest, match="can't be read"):
        read(text)


@pytest.mark.parametrize("text", ["0", "-1", "11", "1.0", "", "x", "1e1", "١", "9" * 5000])
def test_a_number_out_of_range_is_refused_with_the_range(text: str) -> None:
    assert hint_of(f"limit={text}".encode()) == "send a whole number from 1 to 10"


def test_a_number_in_range_is_taken() -> None:
    assert read(b"limit=10").limit == 10


def test_one_of_a_few_words_is_taken_and_others_refused() -> None:
    assert read(b"state=open").state == "open"
    assert hint_of(b"state=gone") == "send open or closed"


def test_several_words_mean_any_of_them() -> None:
    assert read(b"reason=future&reason=not_json&reason=future").reason == ("future", "not_json")


def test_several_values_of_a_filter_mean_any_of_them() -> None:
    found = read(b"userId=ada&userId=bob&userId=ada&limit=1")
    assert found.equals == {"userId": ("ada", "bob")}


def test_a_text_that_no_event_can_have_is_refused() -> None:
    with pytest.raises(BadRequest, match="U\\+0000"):
        read(b"userId=a%00b")


@pytest.mark.parametrize(
    ("name", "meant"),
    [(b"userid", "userId"), (b"user_id", "userId"), (b"form", "from"), (b"limits", "limit")],
)
def test_an_unknown_parameter_is_answered_with_what_was_probably_meant(
    name: bytes, meant: str
) -> None:
    assert hint_of(name + b"=1").startswith(f"did you mean {meant}? ")


def test_an_unknown_word_is_answered_with_what_was_probably_meant() -> None:
    assert hint_of(b"reason=not-jsn") == "did you mean not_json? send not_json or future"


def test_a_time_is_read_in_each_of_its_ways_and_may_be_a_word_where_the_question_says_so() -> None:
    assert read(b"from=1970-01-02").start_from == read(b"from=86400000").start_from == 86_400_000
    assert (read(b"at=now").at, read(b"at=1970-01-02").at) == ("now", 86_400_000)
    with pytest.raises(BadRequest, match="from='now' is not a time"):
        read(b"from=now")


def test_a_duration_is_read_as_milliseconds() -> None:
    assert read(b"since=2m").since == 120_000


@pytest.mark.parametrize("since", ["", "1", "h", "-1h", "1.5h", "0h", "1y", "1h ", "1000000s"])
def test_what_is_no_duration_is_refused_with_an_example(since: str) -> None:
    assert "since=1h" in hint_of(f"since={since}".encode())


def test_a_page_says_other_things_as_well() -> None:
    request = RequestFactory(Litestar(logging_config=None)).get("/")
    request.scope["query_string"] = b"tab=money&limit=7&metric=&state=open"
    assert ASKED.read_among(request) == Question(limit=7, state="open")


def test_what_a_page_says_is_read_as_strictly() -> None:
    request = RequestFactory(Litestar(logging_config=None)).get("/")
    request.scope["query_string"] = b"tab=money&limit=none"
    with pytest.raises(BadRequest, match="limit='none' is not possible"):
        ASKED.read_among(request)
