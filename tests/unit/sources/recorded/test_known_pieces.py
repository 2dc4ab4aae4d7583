"""What of a file was imported before is known by its text."""

import gzip
import random
from collections import defaultdict

import pytest
import zstandard

from rtcdp.errors import RtcdpError
from rtcdp.log.piece import Piece
from rtcdp.sources.recorded.known_pieces import PieceKeys
from rtcdp.sources.recorded.mapping import load_mapping, parse_mapping
from rtcdp.sources.recorded.replay import Replay, ReplayPlan
from rtcdp.sources.sinks import Receipt

NAMES = """
format = "csv"
[fields]
userId = "{who}"
[event_type]
default = "PAGE_VIEW"
[timestamp]
from = "{at}"
format = "epoch_ms"
"""
HEADER = b"at,who\n"
EVENT = b'{"userId":"u%d","timestamp":1,"eventType":"A"}\n'


class Killed(RtcdpError):
    """As if the process had been killed."""


class Log:
    """A sink that has what it took when it is killed, and knows the pieces of it."""

    def __init__(self, source="default"):
        self.source = source
        self.piece_bytes = 100
        self.records = []
        self.known = defaultdict(list)
        self.dies_after = None

    def write_runs(self, runs, piece):
        self.records += [record for run in runs for record in run.records()]
        if piece is not None:
            self.known[piece.after].append(piece)
        if self.dies_after is not None:
            self.dies_after -= 1
            if self.dies_after < 0:
                raise Killed("killed", "start again")
        return Receipt(accepted=sum(run.line_count for run in runs))

    def pieces_after(self, key):
        return self.known[key]

    def write(self, lines):
        raise AssertionError(f"by pieces only, and not {lines}")

    def close(self):
        pass


@pytest.fixture
def replay(clock, pause, tmp_path):
    def replay(log, content, name="file", mapping=None, **plan):
        (tmp_path / name).write_bytes(content)
        plan = ReplayPlan((tmp_path / name,), mapping or load_mapping("events"), **plan)
        return Replay(plan, log, clock).run(pause)

    return replay


def users(log):
    return sorted(record.partition(b'"userId":"')[2].partition(b'"')[0] for record in log.records)


def expected(content):
    return sorted(
        line.partition(b'"userId":"')[2].partition(b'"')[0] for line in content.splitlines()
    )


LINES = b"".join(EVENT % number for number in range(40))


@pytest.mark.parametrize("ending", [b"", b"\n"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_a_file_that_has_grown_or_was_packed_or_renamed_brings_what_is_new(replay, pack, ending):
    log = Log()
    before = LINES.removesuffix(b"\n") + ending
    assert replay(log, before).known == 0
    assert replay(log, pack(before), "renamed").known == 40
    report = replay(log, pack(LINES + EVENT % 99))
    assert (report.known, report.events) == (40, 1)
    assert users(log) == expected(LINES + EVENT % 99)


@pytest.mark.parametrize("left_out", [0, 1, 2])
def test_the_last_line_gets_the_line_break_that_the_file_has(replay, left_out):
    log, mapping = Log(), parse_mapping(NAMES, "names")
    rows = HEADER + b"".join(b"5,u%d\n" % number for number in range(20))
    rows = rows.replace(b"\n", b"\r\n")
    replay(log, rows[: len(rows) - left_out], mapping=mapping)
    report = replay(log, rows + b"5,u99\r\n", "renamed", mapping=mapping)
    assert (report.known, report.events) == (20, 1)


def test_the_only_row_gets_the_line_break_of_the_header(replay):
    log, mapping = Log(), parse_mapping(NAMES, "names")
    replay(log, b"at,who\r\n5,ann", mapping=mapping)
    report = replay(log, b"at,who\r\n5,ann\r\n5,ben\r\n", mapping=mapping)
    assert (report.known, report.events) == (1, 1)


def test_a_last_line_that_has_grown_is_another_one(replay):
    log = Log()
    torn = LINES + (EVENT % 99)[:20]
    replay(log, torn)
    report = replay(log, LINES + EVENT % 99)
    assert (report.known, report.events) == (40, 1)


def test_another_file_is_taken_from_where_it_differs(replay):
    log, other = Log(), LINES.replace(b"u20", b"u77")
    replay(log, LINES)
    report = replay(log, other)
    assert report.known + report.events == 40
    assert 0 < report.known <= 20
    assert replay(log, other).known == replay(log, LINES).known == 40


def test_the_same_lines_read_otherwise_are_others(replay):
    log, mapping = Log(), parse_mapping(NAMES, "names")
    rows = HEADER + b"".join(b"5,u%d\n" % number for number in range(20))
    assert replay(log, rows, mapping=mapping).events == 20
    assert replay(log, rows, mapping=mapping).known == 20
    assert replay(log, rows, mapping=parse_mapping(NAMES.replace("PAGE", "A"), "n")).events == 20
    assert replay(log, rows, mapping=mapping, again=True).events == 20
    log.source = "other"
    assert replay(log, rows, mapping=mapping).events == 20


@pytest.mark.parametrize("seed", range(8))
def test_an_import_that_is_killed_at_any_piece_goes_on_there(replay, seed):
    """Rows of several lines, bytes that are no text, and lines too long among them."""
    rng = random.Random(seed)
    odd = [b'5,"u\nu"\n', b'5,"stray\n', b"\xff,u\n", b"\n", b"5,u\r\n", b"x" * 70_000 + b"\n"]
    rows = [rng.choice([b"5,u%d\n" % n, b"5,u%d\n" % n, rng.choice(odd)]) for n in range(60)]
    content = HEADER + b"5,first\n" + b"".join(rows)
    mapping = parse_mapping(NAMES, "names")
    whole = Log()
    replay(whole, content, mapping=mapping)
    log = Log()
    for _ in range(1_000):
        log.dies_after = rng.randrange(3)
        try:
            replay(log, content, mapping=mapping)
        except Killed:
            continue
        break

    assert log.records == whole.records


def test_a_file_is_known_by_pieces_though_a_line_of_its_first_block_is_too_long(replay):
    log, mapping = Log(), parse_mapping(NAMES, "names")
    content = HEADER + b"5,ann\n" + b"x" * 70_000 + b"\n5,ben\n"
    log.piece_bytes = 2**20
    assert replay(log, content, mapping=mapping).known == 0
    report = replay(log, content + b"5,cem\n", mapping=mapping)
    assert (report.known, report.events) == (3, 1)


def test_pieces_of_any_length_that_others_registered_leave_the_others_as_they_are(replay):
    log = Log()
    start = replay(log, LINES) and log.known.copy()
    (first,) = next(iter(start.values()))
    other = LINES.replace(b"u0", b"u7")
    for size in (0, 1, 1_500, 16 * 2**20, 10**15):
        log.known[first.after].append(Piece(first.after, "f" * 32, size))
    log.records.clear()
    assert replay(log, other).events == 40
    assert users(log) == expected(other)
    new = [each for pieces in log.known.values() for each in pieces if each.name]
    assert max(piece.byte_count for piece in new) <= 3 * log.piece_bytes
    assert replay(log, LINES).known == 40


def test_a_name_that_is_no_text_is_written_with_question_marks(replay):
    log = Log()
    replay(log, LINES, "day\udcff.ndjson")
    assert {piece.name for pieces in log.known.values() for piece in pieces} == {"day?.ndjson"}


def test_a_line_that_was_torn_by_damage_is_another_one_than_the_whole_of_the_same_text(replay):
    log, mapping = Log(), parse_mapping(NAMES, "names")
    rows = HEADER + b"".join(b"5,u%d\n" % number for number in range(20))
    packed = zstandard.compress(rows[:-1]) + zstandard.compress(b"\n")[:-3]
    assert replay(log, packed, mapping=mapping).raw == 1
    report = replay(log, rows, mapping=mapping)
    assert (report.known, report.events) == (19, 1)


def test_what_a_mapping_says_names_its_pieces_and_not_how_it_is_written():
    def key(toml):
        return PieceKeys("file", parse_mapping(toml, "names"), "default", HEADER).key

    default = 'timezone = "UTC"\n[properties]\na = "{at}"\nb = "{who}"\n'
    turned = '[properties]\nb = "{who}"\na = "{at}"\n'
    assert key(NAMES + default) == key(NAMES + turned)
    assert key(NAMES + default) != key(NAMES + turned.replace("at", "who"))
    assert key(NAMES) != key(NAMES + 'timezone = "Europe/Berlin"\n')
