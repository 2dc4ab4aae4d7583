import json
import random
import string
from pathlib import Path

from rtcdp.clock import ManualClock
from rtcdp.log.aged import NOTHING_AGED, Aged, aged_of
from rtcdp.log.contract import Delivery
from rtcdp.log.embedded import EmbeddedLogReader, EmbeddedLogWriter
from rtcdp.log.views import BoundedLogReader


def test_what_is_let_go_of_keeps_its_place_and_marks_move_forward(tmp_path: Path) -> None:
    writer, log = EmbeddedLogWriter(tmp_path, ManualClock(1)), EmbeddedLogReader(tmp_path)
    lines = b"".join(b'{"a line of its own":%d}\n' % number for number in range(3))
    writer.append([Delivery(lines, 3, 7, "app")])
    assert aged_of(log) == NOTHING_AGED == aged_of(BoundedLogReader(log, {0: 3}))
    log.note_aged(Aged({"A": 20, "B": 5}, {"A": 10}, 3, 4, 30))
    log.note_aged(Aged({"A": 15, "B": 6}, {"A": 20, "B": 6}, 2, 3, 25))
    assert log.aged() == Aged({"A": 20, "B": 6}, {"A": 20, "B": 6}, 3, 4, 30)
    assert (log.age({0: [1, 5]}), log.age({0: [1]})) == (1, 0)
    log.overwrite_aged()
    records = list(log.read(0, 0, 2**20).each())
    assert [(each.offset, each.is_aged, each.raw == b"") for each in records] == [
        (0, False, False),
        (1, True, True),
        (2, False, False),
    ]
    assert (records[1].source, records[1].received_at, records[1].stands_for) == ("app", 7, 1)
    held = b"".join(each.read_bytes() for each in tmp_path.iterdir())
    assert (b'its own":0' in held, b'its own":1' in held) == (True, False)
    writer.close()
    log.close()


def test_no_copy_of_what_went_stays_in_pages_that_were_filled_anew(tmp_path: Path) -> None:
    """Chunks of all sizes lose some lines after others, so that their pages are cut and joined."""
    writer, log = EmbeddedLogWriter(tmp_path, ManualClock(1)), EmbeddedLogReader(tmp_path)
    pick = random.Random(13)
    letters, marks = string.ascii_letters + string.digits, []
    gone: set[int] = set()
    for _ in range(60):
        count, lines = pick.choice([1, 1, 2, 5, 9]), b""
        for _ in range(count):
            marks.append(f"{pick.getrandbits(96):024x}")
            noise = "".join(pick.choices(letters, k=pick.choice([5, 60, 300])))
            lines += json.dumps({"a": marks[-1], "b": noise}).encode() + b"\n"
        writer.append([Delivery(lines, count, 7, "app")])
    for _ in range(3):
        left = sorted(set(range(len(marks))) - gone)
        some = pick.sample(left, len(left) // 6)
        log.age({0: some})
        gone.update(some)
    log.overwrite_aged()
    held = b"".join(each.read_bytes() for each in tmp_path.iterdir())
    assert [marks[offset] for offset in gone if marks[offset].encode() in held] == []
    assert any(mark.encode() in held for mark in marks)
    writer.close()
    log.close()
