"""Many lines at once become what each of them becomes by itself, and have one verdict."""

from itertools import chain

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcdp.events.codec import decode
from rtcdp.events.dead_letter import Rejection
from rtcdp.events.event import CustomerActivityEvent
from rtcdp.sources.recorded.mapped_blocks import mapped_blocks
from rtcdp.sources.recorded.mapped_lines import mapped_lines
from rtcdp.sources.recorded.mapping import load_mapping, parse_mapping
from rtcdp.sources.recorded.recorded_file import RecordedFile

RULES = """
empty = ["", "NULL"]
[fields]
userId = "{who}"
sessionId = "s-{who}-{sku}"
productId = "{sku}"
pageUrl = '/"q"/{sku}'
EVENT_ID
[event_type]
rules = [{ if = "{what} {sku}", matches = "buy .*9", then = "NINE" }]
from = "{what}"
map = { view = "PAGE_VIEW", buy = "PURCHASE" }
DEFAULT
[timestamp]
from = "{at}"
format = ["iso", "epoch_s", "%d.%m.%Y %H:%M"]
timezone = "Europe/Berlin"
[value]
from = "{price}"
only_for = ["PURCHASE"]
[properties]
sku = "{sku}"
"a \\"name\\"" = "{who}"
price = { from = "{price}", type = "number" }
count = { from = "{count}", type = "integer" }
"""
NAMES = ("who", "what", "sku", "at", "price", "count")
MAPPINGS = {
    "csv": ('format = "csv"', "", ""),
    "tabs": ('format = "csv"\ndelimiter = "\\t"\nheader = false\ncolumns = COLUMNS', "", ""),
    "json": ('format = "ndjson"', 'eventId = "{id.of}"', 'default = "X_{what}"'),
    "regex": (f"format = 'regex'\npattern = '{' '.join(f'(?P<{n}>.*?)' for n in NAMES)}'", "", ""),
    "escaped": (
        f"format = 'regex'\nunescape = true\npattern = '{';'.join(f'(?P<{n}>.*)' for n in NAMES)}'",
        "",
        "",
    ),
}
TEXTS = {
    "who": [
        "ann",
        "",
        "NULL",
        "ä\u2028",
        'a"b',
        "a\\b",
        "a\\x22",
        "x" * 256,
        "x" * 257,
        "\x00",
        "\t",
    ],
    "what": ["view", "buy", "sell", "", "lower", "VIEW"],
    "sku": ["9", "19", "", "NULL", "a,b", "y" * 256, "\x7f", "line\nbreak", "line\r\nbreak"],
    "at": ["2026-01-31T09:30:00Z", "1769850000.1239", "31.01.2026 09:30", "0001-01-01", "soon", ""],
    "price": ["1", "12.50", "-0.0", "1e3", "1e999", "9e9", "8589934592", "1,5", "", "NaN", "1e-7"],
    "count": ["3", "-12", "1.0", "9" * 18, "9" * 19, ""],
}
PLAIN = {name: choices[0] for name, choices in TEXTS.items()} | {"sku": ""}
"""What columns write: no text of it is escaped."""

EVENTS = [
    '{"userId":"a","timestamp":1,"eventType":"A"}',
    '{"eventId":"e","userId":"a","timestamp":"2026-01-01T00:00:00.1239+01:00","eventType":"A"}',
    '{"eventId":null,"userId":"a","timestamp":1,"eventType":"A","more":1}',
    '{"eventId":"","userId":"a","timestamp":1,"eventType":"A"}',
    '{"eventId":null,"userId":"a","timestamp":1,"eventType":"A"}',
    '{"event\\u0049d":"e","userId":"a","timestamp":1,"eventType":"A"}',
    ' {"userId":"a","timestamp":1,"eventType":"A","properties":{"a":[1,{}]}} ',
    '{"userId":"a","timestamp":1,"eventType":"A"}{"userId":"a","timestamp":1,"eventType":"A"}',
    '{"userId":"a","timestamp":1,"eventType":"A","value":1e999}',
    '{"userId":"' + "u" * 65_400 + '","timestamp":1,"eventType":"A"}',
    '{"userId":"a","timestamp":1,"eventType":"A","padding":"' + "p" * 65_470 + '"}',
    '{"userId":"a","timestamp":1,"eventType":"A","properties":{"p":"' + "p" * 32_000 + '"}}',
]
ODD = ["", "  ", "x", "\ufeff", '"', '"open', '","', "a,b", "{", "[]", "null", "{}", "\x1f", "\r"]


def mapping_of(form):
    if form in ("events", "combined-log", "rees46"):
        return load_mapping(form)
    head, event_id, default = MAPPINGS[form]
    text = head.replace("COLUMNS", str(list(NAMES))) + RULES
    return parse_mapping(text.replace("EVENT_ID", event_id).replace("DEFAULT", default), form)


def written(form, texts):
    """A line of a file of this form that holds these texts."""
    row = [texts[name] for name in NAMES]
    match form:
        case "csv":
            quoted = ['"' + text.replace('"', '""') + '"' for text in row]
            return ",".join(
                quote if '"' in text or "," in text or "\n" in text else text
                for text, quote in zip(row, quoted, strict=True)
            )
        case "tabs":
            return "\t".join(row)
        case "json":
            found = dict(zip(NAMES, row, strict=True)) | {"id": {"of": texts["sku"]}, "more": [1]}
            if texts["count"].isdigit():
                found["count"] = int(texts["count"])
            return msgspec.json.encode(found).decode()
        case "regex":
            return " ".join(row)
        case _:
            return ";".join(row)


def lines_of(form):
    if form == "events":
        known = st.sampled_from(EVENTS)
    else:
        texts = {name: st.sampled_from(choices) for name, choices in TEXTS.items()}
        known = st.fixed_dictionaries(texts).map(lambda texts: written(form, texts))
        good = written(form, {name: choices[0] for name, choices in TEXTS.items()})
        known = st.one_of(known, st.just(good), st.sampled_from(EVENTS[:3]))
    lines = st.one_of(known, known, known, st.sampled_from(ODD)).map(str.encode)
    lines = st.one_of(lines, lines, lines, lines, st.just(b"\xff"))
    ends = st.sampled_from([b"\n", b"\n", b"\n", b"\r\n"])
    ended = st.lists(st.tuples(lines, ends), max_size=25)
    if form != "json":
        return ended
    # As many values as lines, and yet not one in each.
    plain = written(form, PLAIN).encode()
    two_in_one = st.just([(plain + plain, b"\n"), (b"", b"\n"), (plain, b"\n")])
    parts = st.lists(st.one_of(ended, two_in_one), max_size=4)
    return parts.map(lambda parts: list(chain.from_iterable(parts)))


@pytest.mark.parametrize("form", [*MAPPINGS, "events"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_lines_together_are_what_each_is_by_itself(tmp_path_factory, form, data):
    lines = data.draw(lines_of(form))
    is_ended = data.draw(st.booleans())
    size = data.draw(st.sampled_from([200, 1_000, 2**20]))
    head = [(",".join(NAMES).encode(), b"\n")] if form == "csv" else []
    content = b"".join(line + end for line, end in head + lines)
    path = tmp_path_factory.mktemp("recorded") / "file"
    path.write_bytes(content if is_ended else content.rstrip(b"\r\n"))
    mapping = mapping_of(form)
    with RecordedFile(path) as file:
        singles = list(mapped_lines(file, mapping))
    with RecordedFile(path) as file:
        blocks = list(mapped_blocks(file, mapping, size))
    sent = [line.wire_line() for line in singles if not line.is_blank]
    runs = [run for block in blocks for run in block.runs]
    assert [record for run in runs for record in run.records()] == sent
    verified = [record for run in runs if run.is_verified for record in run.records()]
    assert [record for record in verified if isinstance(decode(record), Rejection)] == []
    assert sum(block.events for block in blocks) == sum(line.event is not None for line in singles)
    assert sum(block.blank for block in blocks) == sum(line.is_blank for line in singles)
    others = [line for line in singles if line.event is None and not line.is_blank]
    assert [line for block in blocks for line in block.others] == others


@pytest.mark.parametrize("form", [*MAPPINGS, "events", "combined-log", "rees46"])
@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf"])
def test_an_empty_file_has_no_blocks(tmp_path, form, content):
    (tmp_path / "file").write_bytes(content)
    with RecordedFile(tmp_path / "file") as file:
        assert list(mapped_blocks(file, mapping_of(form))) == []


def test_two_values_in_one_line_hide_no_other_line(tmp_path):
    good = written("json", PLAIN)
    (tmp_path / "file").write_text(f"{good}{good}\n\n{good}\n")
    with RecordedFile(tmp_path / "file") as file:
        (block,) = mapped_blocks(file, mapping_of("json"))
    assert (block.events, block.blank, len(block.others)) == (1, 1, 1)
    assert [run.is_verified for run in block.runs] == [False, True]


@pytest.mark.parametrize(
    ("form", "name"), [("rees46", "rees46-2019-oct.csv.gz"), ("combined-log", "apache_logs.gz")]
)
def test_recordings_go_in_as_columns_nearly_whole(recordings, form, name):
    with RecordedFile(recordings / name) as file:
        blocks = list(mapped_blocks(file, load_mapping(form)))
    with RecordedFile(recordings / name) as file:
        sent = [line.wire_line() for line in mapped_lines(file, load_mapping(form))]
    runs = [run for block in blocks for run in block.runs]
    assert [record for run in runs for record in run.records()] == sent
    assert sum(run.line_count for run in runs if run.is_verified) >= 0.98 * len(sent)


@pytest.mark.parametrize("other", ["", 'other = "{who}"', 'other = "{sku}"'])
def test_columns_write_no_longer_properties_than_an_event_may_have(tmp_path, other):
    mapping = parse_mapping(
        f"""
        format = "csv"
        fields = {{ userId = "{{who}}" }}
        event_type = {{ from = "{{what}}" }}
        timestamp = {{ from = "{{at}}", format = "epoch_ms" }}
        [properties]
        note = "{{note}}"
        {other}
        """,
        "notes",
    )
    notes = [b"", b"short", *(b"n" * length for length in range(32_735, 32_760))]
    rows = [b"ann,A,1,7,%b" % note for note in notes] + [b"ann,A,1,,"]
    (tmp_path / "file").write_bytes(b"\n".join([b"who,what,at,sku,note", *rows, b""]))
    with RecordedFile(tmp_path / "file") as file:
        (block,) = mapped_blocks(file, mapping)
    with RecordedFile(tmp_path / "file") as file:
        sent = [line.wire_line() for line in mapped_lines(file, mapping)]
    assert [record for run in block.runs for record in run.records()] == sent
    verified = [record for run in block.runs if run.is_verified for record in run.records()]
    assert 2 < len(verified) < len(sent)
    assert {type(decode(record)) for record in verified} == {CustomerActivityEvent}
