import pytest

from rtcdp.sources.recorded.line_mapper import line_mapper
from rtcdp.sources.recorded.mapping import parse_mapping

CSV = """
format = "csv"
header = false
columns = ["who", "what", "when", "amount"]
empty = ["", "NULL"]
[fields]
userId = "{who}"
productId = "p-{amount}"
[event_type]
from = "{what}"
map = { view = "PAGE_VIEW", buy = "PURCHASE" }
[timestamp]
from = "{when}"
[value]
from = "{amount}"
only_for = ["PURCHASE"]
[properties]
amount = { from = "{amount}", type = "number" }
"""
NDJSON = """
format = "ndjson"
[fields]
userId = "{user.id}"
eventId = "{id}"
[event_type]
from = "{kind}"
[timestamp]
from = "{at}"
format = "epoch_s"
[properties]
plan = "{user.plan}"
"""
NOON_MS = 1_767_268_800_000


def mapped(toml, line):
    return line_mapper(parse_mapping(toml, "test"))(line)


def csv(line):
    return mapped(CSV, line)


def test_columns_become_members():
    event = csv(b"ann,buy,2026-01-01T12:00:00Z,9.50")
    assert event.timestamp_ms == NOON_MS
    assert event.members == {
        "userId": "ann",
        "productId": "p-9.50",
        "eventType": "PURCHASE",
        "value": 9.5,
        "properties": {"amount": 9.5},
    }


def test_the_value_is_only_for_the_types_that_are_named():
    assert "value" not in csv(b"ann,view,2026-01-01T12:00:00Z,9.50").members


@pytest.mark.parametrize("absent", [b"", b"NULL"])
def test_an_absent_column_makes_absent_members(absent):
    event = csv(b"ann,buy,2026-01-01T12:00:00Z," + absent)
    assert event.members == {"userId": "ann", "eventType": "PURCHASE"}


def test_quoted_texts_may_hold_delimiters_quotes_and_line_breaks():
    event = csv(b'"a,""n""\nn",view,2026-01-01T12:00:00Z,')
    assert event.members["userId"] == 'a,"n"\nn'


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "the line is '', expected 4 columns, and it has 1"),
        (b"ann,buy,2026-01-01T12:00:00Z", "expected 4 columns, and it has 3"),
        (b"ann,buy,2026-01-01T12:00:00Z,1,2", "expected 4 columns, and it has 5"),
        (b",buy,2026-01-01T12:00:00Z,1", "column who is empty, expected the user's id"),
        (b"NULL,buy,2026-01-01T12:00:00Z,1", "column who is empty, expected the user's id"),
        (
            b"ann,steal,2026-01-01T12:00:00Z,1",
            "column what is 'steal', expected one of buy, view",
        ),
        (
            b"ann,buy,yesterday,1",
            "column when is 'yesterday', expected a time like 2026-01-31T09:30:00Z",
        ),
        (b"ann,buy,,1", "column when is empty, expected a time like 2026-01-31T09:30:00Z"),
        (
            b"ann,buy,2026-01-01T12:00:00Z,much",
            "column amount is 'much', expected a number like 12.50",
        ),
        (b"ann,buy,2026-01-01T12:00:00Z,1e999", "column amount is '1e999', expected a number"),
        (b"ann,buy,2026-01-01T12:00:00Z,nan", "column amount is 'nan', expected a number"),
        (b"ann,buy,2026-01-01T12:00:00Z,1_0", "column amount is '1_0', expected a number"),
        (b'"ann,buy,2026-01-01T12:00:00Z,1', "expected one row of CSV in UTF-8"),
        (b'"an"n,buy,2026-01-01T12:00:00Z,1', "expected one row of CSV in UTF-8"),
        (b"\xffann,buy,2026-01-01T12:00:00Z,1", "expected one row of CSV in UTF-8"),
    ],
)
def test_a_line_that_does_not_fit_says_which_column_and_what_was_expected(line, reason):
    assert reason in str(csv(line))


def test_a_long_value_is_told_in_short():
    assert len(str(csv(b"ann,buy," + b"x" * 5_000 + b",1"))) < 200


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("%d/%b/%Y:%H:%M:%S %z", "a time like 31/Jan/2026:09:30:00 +0000"),
        ("epoch_s", "seconds since 1970"),
        ("epoch_ms", "milliseconds since 1970"),
    ],
)
def test_what_was_expected_of_a_time_is_shown_by_an_example(form, expected):
    toml = CSV.replace('from = "{when}"', f'from = "{{when}}"\nformat = "{form}"')
    assert str(mapped(toml, b"ann,buy,soon,1")) == f"column when is 'soon', expected {expected}"


@pytest.mark.parametrize(
    ("when", "milliseconds"),
    [
        ("2026-10-25 02:30:00", 1_792_888_200_000),  # 00:30Z, the first of the two
        ("2026-10-25 03:30:00", 1_792_895_400_000),  # 02:30Z, after the clocks were set back
        ("2026-03-29 02:30:00", 1_774_747_800_000),  # 01:30Z, though no clock showed it
        ("2026-03-29 03:30:00", 1_774_747_800_000),
    ],
)
def test_times_where_clocks_are_set_back_and_put_forward(when, milliseconds):
    toml = CSV.replace('from = "{when}"', 'from = "{when}"\ntimezone="Europe/Berlin"')
    assert mapped(toml, f"ann,buy,{when},1".encode()).timestamp_ms == milliseconds


def test_a_time_may_have_several_formats():
    toml = CSV.replace('from = "{when}"', 'from = "{when}"\nformat = ["epoch_s", "%H:%M %d.%m.%Y"]')
    for when in ("1767268800", "12:00 01.01.2026"):
        assert mapped(toml, f"ann,buy,{when},1".encode()).timestamp_ms == NOON_MS
    assert str(mapped(toml, b"ann,buy,soon,1")).endswith(
        "expected seconds since 1970 or a time like 09:30 31.01.2026"
    )


@pytest.mark.parametrize(
    ("when", "form", "zone"),
    [
        ("2026-01-01T12:00:00+00:00", "iso", "UTC"),
        ("2026-01-01 13:00:00", "iso", "Europe/Berlin"),
        ("2026-01-01T13:00:00+01:00", "iso", "America/New_York"),
        ("1767268800", "epoch_s", "UTC"),
        ("1767268800.000", "epoch_s", "UTC"),
        ("1767268800000", "epoch_ms", "UTC"),
        ("01/Jan/2026:07:00:00 -0500", "%d/%b/%Y:%H:%M:%S %z", "UTC"),
        ("2026-01-01 12:00:00 UTC", "%Y-%m-%d %H:%M:%S UTC", "UTC"),
    ],
)
def test_times_are_read_in_many_formats(when, form, zone):
    toml = CSV.replace(
        'from = "{when}"', f'from = "{{when}}"\nformat = "{form}"\ntimezone="{zone}"'
    )
    assert mapped(toml, f"ann,buy,{when},1".encode()).timestamp_ms == NOON_MS


@pytest.mark.parametrize(
    ("when", "form"),
    [
        ("2026-01-01T12:00:00.000999999Z", "iso"),
        ("1767268800.0009", "epoch_s"),
        ("1767268800.00099999999999999999999999999999999", "epoch_s"),
        ("17672688000009e-4", "epoch_s"),
    ],
)
def test_times_are_rounded_down_whatever_they_are_written_as(when, form):
    toml = CSV.replace('from = "{when}"', f'from = "{{when}}"\nformat = "{form}"')
    assert mapped(toml, f"ann,buy,{when},1".encode()).timestamp_ms == NOON_MS


@pytest.mark.parametrize("when", ["1e400", "1e999999999", "-1e13"])
def test_a_number_of_seconds_that_is_no_time_is_no_event(when):
    toml = CSV.replace('from = "{when}"', 'from = "{when}"\nformat = "epoch_s"')
    assert "expected seconds since 1970" in str(mapped(toml, f"ann,buy,{when},1".encode()))


def test_json_members_are_reached_with_dots():
    line = b'{"id":7,"user":{"id":"ann","plan":null},"kind":"LOGIN","at":1767268800}'
    event = mapped(NDJSON, line)
    assert event.members == {"userId": "ann", "eventId": "7", "eventType": "LOGIN"}


@pytest.mark.parametrize("line", [b"[1]", b"{", b'{"user":"ann"}', b"1", b"\xff", b"[" * 9_999])
def test_json_that_does_not_fit_is_no_event(line):
    assert "expected" in str(mapped(NDJSON, line))


def test_a_member_that_is_not_there_is_named():
    reason = str(mapped(NDJSON, b'{"user":{"plan":"free"},"kind":"LOGIN","at":1}'))
    assert reason == "column user.id is empty, expected the user's id"


def test_events_go_through_with_all_their_members():
    line = b'{"userId":"ann","timestamp":1767268800000,"eventType":"A","eventId":null,"mine":[1e2]}'
    event = mapped('format = "events"', line)
    assert event.timestamp_ms == NOON_MS
    assert {name: bytes(raw) for name, raw in event.members.items()} == {
        "userId": b'"ann"',
        "eventType": b'"A"',
        "mine": b"[1e2]",
    }
    assert "the line is no event: send one JSON object" in str(
        mapped('format = "events"', line[:-1])
    )
