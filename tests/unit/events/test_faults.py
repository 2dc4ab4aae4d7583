"""A refused event is told everything that is wrong with it, in plain words."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcdp.events.codec import decode
from rtcdp.events.dead_letter import Rejection
from rtcdp.events.faults import faults_of

GOOD = {"userId": "u", "timestamp": 0, "eventType": "PAGE_VIEW"}
WHEN = (
    "send ISO-8601 with an offset, like 2026-01-31T09:30:00.000Z, or an integer of milliseconds "
    "since 1970"
)


def faults(**changes: Any) -> tuple[str, ...]:
    return faults_of(json.dumps({**GOOD, **changes}).encode())


def test_a_good_event_has_none() -> None:
    assert faults() == ()


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        (b"{}", "userId, timestamp and eventType are missing"),
        (b'{"userId":"u","timestamp":0}', "eventType is missing"),
        (b'{"timestamp":0}', "userId and eventType are missing"),
    ],
)
def test_missing_fields_are_named_together(record: bytes, fault: str) -> None:
    assert faults_of(record) == (fault,)


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("userId", 7, "userId is a number: send a string of 1 to 256 characters"),
        ("userId", None, "userId is null: send a string of 1 to 256 characters"),
        ("userId", "", "userId is empty: send a string of 1 to 256 characters"),
        ("userId", "u" * 257, "userId has 257 characters: send a string of 1 to 256 characters"),
        ("userId", ["u"], "userId is an array: send a string of 1 to 256 characters"),
        ("eventId", "", "eventId is empty: send a string of 1 to 100 characters"),
        ("sessionId", True, "sessionId is true or false: send a string of up to 256 characters"),
        (
            "productId",
            "a\0",
            "productId holds the character U+0000: send a string of up to 256 characters",
        ),
        (
            "eventType",
            "page view",
            "eventType is none that can be counted: send capital letters, digits and _, 64 at "
            "most, like PAGE_VIEW",
        ),
        ("timestamp", "yesterday", f"timestamp is not a time: {WHEN}"),
        ("timestamp", "2026-01-31T09:30:00", f"timestamp has no offset from UTC: {WHEN}"),
        ("timestamp", 1.5, f"timestamp is no whole number: {WHEN}"),
        ("timestamp", 3 * 10**16, f"timestamp lies outside of the years 0002 to 9998: {WHEN}"),
        ("timestamp", 1769851800 * 10**6, f"timestamp looks like microseconds since 1970: {WHEN}"),
        ("timestamp", 1769851800 * 10**9, f"timestamp looks like nanoseconds since 1970: {WHEN}"),
        ("value", "3", "value is a string: send a number from -8589934592 to 8589934592"),
        ("value", 1e11, "value is out of range: send a number from -8589934592 to 8589934592"),
        ("properties", 1, "properties is a number: send an object of up to 32768 bytes"),
        (
            "properties",
            {"a": "x" * 40_000},
            "properties has 40009 bytes: send an object of up to 32768 bytes",
        ),
    ],
)
def test_each_fault_says_what_is_there_and_what_to_send(
    field: str, value: object, fault: str
) -> None:
    assert faults(**{field: value}) == (fault,)


def test_a_field_that_is_there_twice_and_wrong_once_says_so() -> None:
    (fault,) = faults_of(b'{"userId":7,"userId":"u","timestamp":0,"eventType":"A"}')
    assert fault.startswith("userId is there twice")


def test_the_verdict_names_all_faults_and_one_reason() -> None:
    verdict = decode(b'{"userId":7,"timestamp":"yesterday","value":"3"}')
    assert isinstance(verdict, Rejection)
    assert (verdict.reason, verdict.step) == ("wrong_type", "validate")
    for name in ("userId", "timestamp", "eventType", "value"):
        assert name in verdict.message


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.none())


@given(st.dictionaries(st.sampled_from([*GOOD, "value", "eventId", "properties", "x"]), values))
def test_words_are_plain_and_there_is_no_refusal_without_any(fields: dict[str, object]) -> None:
    record = (
        json.dumps(fields, allow_nan=False, default=str).encode() if _is_json(fields) else b"{}"
    )
    verdict = decode(record)
    if isinstance(verdict, Rejection) and verdict.step == "validate":
        assert verdict.message
        assert verdict.message == "; ".join(faults_of(record))
        assert not {"`", "$"} & set(verdict.message)
    elif not isinstance(verdict, Rejection):
        assert faults_of(record) == ()


def _is_json(fields: dict[str, object]) -> bool:
    try:
        json.dumps(fields, allow_nan=False)
    except ValueError:
        return False
    return True
