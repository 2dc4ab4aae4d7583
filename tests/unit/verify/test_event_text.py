import pytest

from rtcdp.verify.event_text import Unfit, event_of


def event(**fields: str) -> bytes:
    """JSON text of an event whose fields are given as JSON."""
    whole = {"userId": '"u"', "timestamp": "1", "eventType": '"A"'} | fields
    return ("{" + ",".join(f'"{name}":{text}' for name, text in whole.items()) + "}").encode()


def reason_of(raw: bytes) -> str:
    with pytest.raises(Unfit) as caught:
        event_of(raw)
    return str(caught.value)


def test_texts_are_kept_as_they_came() -> None:
    found = event_of(event(userId='" Ada\\u00e9\\ud83d\\ude00"', sessionId='""', eventId="null"))
    assert (found["userId"], found["sessionId"], found["eventId"]) == (" Adaé😀", "", None)


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("1970-01-01T00:00:00.001Z", 1),
        ("1969-12-31T23:59:59.999999999Z", -1),
        ("2026-03-01T11:59:59.9999999Z", 1_772_366_399_999),
        ("1970-01-01 01:00:00+01:00", 0),
        ("1970-01-01t00:00:00.5z", 500),
        ("1970-01-01T00:00:00-0130", 5_400_000),
    ],
)
def test_moments_are_rounded_down(text: str, milliseconds: int) -> None:
    assert event_of(event(timestamp=f'"{text}"'))["timestamp"] == milliseconds


def test_zero_has_no_sign() -> None:
    assert str(event_of(event(value="-0.0"))["value"]) == "0.0"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b" " * 65_537, "too_large"),
        (b'{"a":"\xff"}', "not_utf8"),
        (b"[" * 65, "too_deep"),
        (b'{"a":"' + b"[" * 65, "not_json"),
        (b'{"a":1,}', "not_json"),
        (b'{"a":NaN}', "not_json"),
        (b'{"a":01}', "not_json"),
        (b'{"a":"\\ud800"}', "not_json"),
        (b"[]", "not_an_object"),
        (b"[1e999]", "not_an_object"),
        (event(x="1e999"), "out_of_range"),
        (event(x="18446744073709551616"), "out_of_range"),
        (b"{}", "missing_field"),
        (b'{"unmapped":"no time","line":"a,b"}', "not_mapped"),
        (b'{"unmapped":"","line":"a,b"}', "missing_field"),
        (b'{"line":"a,b","unmapped":"no time"}', "missing_field"),
        (event(userId="5"), "wrong_type"),
        (event(userId='""'), "out_of_range"),
        (event(eventId='"' + "x" * 101 + '"'), "out_of_range"),
        (event(value="8589934592.5"), "out_of_range"),
        (event(value="true"), "wrong_type"),
        (event()[:-1] + b',"us\\u0065rId":"u"}', "duplicate_key"),
        (event(eventType='"a"'), "invalid_event_type"),
        (event(timestamp="1.0"), "invalid_timestamp"),
        (event(timestamp='"2026-02-29T00:00:00Z"'), "invalid_timestamp"),
        (event(timestamp='"9999-01-01T00:00:00Z"'), "invalid_timestamp"),
        (event(userId='"\\u0000"'), "invalid_character"),
        (event(properties="[]"), "wrong_type"),
        (event(properties='{"p":"' + "x" * 32_768 + '"}'), "too_large"),
    ],
)
def test_what_is_no_event_gets_one_reason(raw: bytes, reason: str) -> None:
    assert reason_of(raw) == reason


def test_of_several_reasons_the_first_counts() -> None:
    assert reason_of(event(timestamp="null", userId="5")[:-1] + b',"x":1e999}') == "out_of_range"
    assert reason_of(event(userId="5", timestamp="null")) == "wrong_type"
    assert reason_of(event(eventType='"a"', timestamp='"x"')) == "invalid_event_type"
