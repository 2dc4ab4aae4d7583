"""Parameters as they are described."""

from litestar.openapi.spec import OpenAPIType, Schema

from rtcdp.api.parameter import FROM, documented, instant_or_now, limit, number, text, words


def test_what_is_read_is_what_is_documented() -> None:
    operation = documented(FROM, limit(10, 100))()
    assert [parameter.name for parameter in operation.parameters] == ["from", "limit"]
    assert "application/problem+json" in operation.responses["default"].content


def test_numbers_have_their_bounds() -> None:
    schema = number("minutes", "", 5, 60).documented.schema
    assert (schema.type, schema.minimum, schema.maximum) == (OpenAPIType.INTEGER, 1, 60)
    assert schema.default == 5


def test_a_filter_is_an_array_because_it_may_be_sent_several_times() -> None:
    schema = text("userId", "").documented.schema
    assert (schema.type, schema.items.type) == (OpenAPIType.ARRAY, OpenAPIType.STRING)


def test_a_closed_list_names_its_words() -> None:
    assert words("state", "", ("open", "closed")).documented.schema.enum == ["open", "closed"]


def test_a_time_may_be_a_word() -> None:
    first, *others = instant_or_now("at", "").documented.schema.one_of
    assert first.const == "now"
    assert others == list(FROM.schema.one_of)


def test_an_answer_can_be_described_better_than_its_type_does() -> None:
    schema = Schema(type=OpenAPIType.OBJECT)
    operation = documented(answer=schema)()
    assert operation.responses["200"].content["application/json"].schema is schema
