"""Numbers and durations as people read them."""

import pytest

from rtcdp import words


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, "–"),
        (0, "0"),
        (61109, "61,109"),
        (666.4, "666.40"),
        (-1234.0, "-1,234"),
        (0.0213, "0.0213"),
    ],
)
def test_a_count_has_every_digit(number: float | None, text: str) -> None:
    assert words.count(number) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((None, "–"), (61109, "61,109"), (1250.0, "1,250.00"), (666.4, "666.40"), (True, "True")),
        *((0.5, "0.50"), (0.1 + 0.2, "0.30"), (0.0213, "0.0213"), ("kite", "kite"), ([], "–")),
        ([{"of": "kite", "n": 1200}, {"of": "hose", "n": 3}, "drum"], "kite 1,200, hose 3, 1 more"),
    ],
)
def test_amounts_have_their_cents_and_counts_none(value: object, text: str) -> None:
    assert words.measured(value, items=2) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        *((None, "–"), (9999, "9,999"), (10_000, "10.0k"), (61_109, "61.1k"), (99_960, "100k")),
        *(
            (123_456, "123k"),
            (12_012, "12.0k"),
            (1_234_567, "1.23M"),
            (2.345, "2.35"),
            (2.5, "2.5"),
            (20.0, "20"),
            (-0.0, "0"),
            (45.67, "45.7"),
            (456.7, "457"),
        ),
    ],
)
def test_large_numbers_are_short(number: float | None, text: str) -> None:
    assert words.compact(number) == text


@pytest.mark.parametrize(
    ("part", "text"),
    [
        *((None, "–"), (0, "0 %"), (0.1234, "12.3 %"), (1, "100 %")),
        *((0.99999, "> 99.9 %"), (0.00001, "< 0.1 %")),
    ],
)
def test_a_share_is_never_all_when_it_is_not(part: float | None, text: str) -> None:
    assert words.percent(part) == text


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        *((None, "–"), (450, "450 ms"), (1500, "1.5 s"), (42_000, "42 s"), (60_000, "1 min")),
        *((200_000, "3 min 20 s"), (7_500_000, "2 h 5 min"), (356_400_000, "4 d 3 h")),
    ],
)
def test_a_duration_has_two_units_at_most(ms: float | None, text: str) -> None:
    assert words.duration(ms) == text


def test_money_has_cents_while_they_matter() -> None:
    assert [words.money(n) for n in (None, 12.5, 61109)] == ["–", "12.50", "61.1k"]


def test_what_was_is_ago() -> None:
    assert [words.cents(each) for each in (1250, -0.001)] == ["1,250.00", "0.00"]
    assert [words.ago(ms) for ms in (-5, 300, 120_000)] == ["0.1 s ago", "0.3 s ago", "2 min ago"]


def test_one_is_not_many() -> None:
    assert words.plural(1, "event") == "1 event"
    assert words.plural(2000, "event") == "2,000 events"
    assert words.plural(0, "person", "people") == "0 people"
