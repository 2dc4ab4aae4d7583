import gzip
from collections import Counter

import pytest

from rtcdp.errors import PartMissing, UsageError
from rtcdp.events.codec import decode
from rtcdp.events.dead_letter import Rejection
from rtcdp.generator.mapping import load_mapping
from rtcdp.generator.replay import BATCH_BYTES, BATCH_LINES, Replay, ReplayPlan, parse_speed

HOUR_MS = 3_600_000


@pytest.fixture
def replay(sink, clock, pause):
    """Replays files and gives the report."""

    def replay(*files, mapping="events", how=pause, progress=None, **plan):
        plan = ReplayPlan(files, load_mapping(mapping), **plan)
        return Replay(plan, sink, clock).run(how, progress)

    return replay


@pytest.fixture
def recorded(tmp_path):
    """A file of events at the given times."""

    def write(*times_ms, name="recorded.ndjson"):
        path = tmp_path / name
        line = '{{"userId":"ann","timestamp":{},"eventType":"A"}}\n'
        path.write_text("".join(line.format(time_ms) for time_ms in times_ms))
        return path

    return write


def verdicts(sink):
    return [decode(line) for line in sink.lines]


def times_ms(sink):
    return [event.timestamp_ms for event in verdicts(sink)]


def test_the_shop_recording_comes_out_whole(replay, recordings, sink):
    report = replay(recordings / "rees46-2019-oct.csv.gz", mapping="rees46")
    events = [verdict for verdict in verdicts(sink) if not isinstance(verdict, Rejection)]
    purchases = [event.value for event in events if event.event_type == "PURCHASE"]
    assert (report.records, report.events, report.raw) == (17_435, 17_434, 1)
    assert Counter(event.event_type for event in events) == {
        "PAGE_VIEW": 17_055,
        "ADD_TO_CART": 165,
        "PURCHASE": 214,
    }
    assert round(sum(purchases), 2) == 59_442.63
    assert len({event.user_id for event in events}) == 4_504
    assert len({event.event_id for event in events}) == 17_434


def test_the_torn_row_of_the_shop_goes_as_it_is(replay, recordings, sink):
    replay(recordings / "rees46-2019-oct.csv.gz", mapping="rees46")
    assert sink.lines[-1].endswith(b"elenberg,25.71,52040330")


def test_a_row_of_the_shop_becomes_an_event(replay, recordings, sink):
    replay(recordings / "rees46-2019-oct.csv.gz", mapping="rees46")
    event = decode(sink.lines[1])
    assert event.user_id == "554748717"
    assert event.session_id == "9333dfbd-b87a-4708-9857-6336556b0fcc"
    assert event.product_id == "3900821"
    assert event.page_url == "/product/3900821"
    assert event.timestamp_ms == 1_569_888_000_000
    assert event.value is None
    assert event.properties == (
        b'{"category":"appliances.environment.water_heater","categoryId":"2053013552326770905",'
        b'"brand":"aqua","price":33.2}'
    )


def test_every_line_of_the_access_log_is_accounted_for(replay, recordings, sink):
    report = replay(recordings / "apache_logs.gz", mapping="combined-log")
    kinds = Counter(
        "dead letter" if isinstance(verdict, Rejection) else verdict.event_type
        for verdict in verdicts(sink)
    )
    assert (report.records, report.events, report.raw) == (10_000, 9_999, 1)
    assert kinds == {
        "PAGE_VIEW": 4_198,
        "ASSET_VIEW": 5_337,
        "HTTP_GET": 416,
        "HTTP_HEAD": 42,
        "HTTP_POST": 5,
        "HTTP_OPTIONS": 1,
        "dead letter": 1,
    }


@pytest.mark.parametrize(
    ("line", "event_type"),
    [
        (
            rb'::1 - - [01/Jan/2026:00:00:00 +0000] "GET /a?b=c.png HTTP/1.1" 200 1 "-" "x"',
            "PAGE_VIEW",
        ),
        (
            rb'::1 - - [01/Jan/2026:00:00:00 +0000] "GET /a.PNG?b HTTP/1.1" 200 1 "-" "x"',
            "ASSET_VIEW",
        ),
        (rb'::1 - - [01/Jan/2026:00:00:00 +0000] "GET /a.png HTTP/1.1" 404 1 "-" "x"', "HTTP_GET"),
        (
            rb'::1 - ann [01/Jan/2026:00:00:00 +0000] "PURGE / HTTP/2" 200 - "a\"b" "\x22"',
            "HTTP_PURGE",
        ),
        (rb'::1 - - [01/Jan/2026:00:00:00 +0000] "GET /" 200 1 "-" "-"', "PAGE_VIEW"),
        (rb'::1 - - [01/Jan/2026:00:00:00 +0000] "-" 408 0 "-" "-"', None),
        (rb'::1 - - [31/Feb/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 1 "-" "x"', None),
        (b'::1 - - [01/Jan/2026:00:00:00 +0000] "GET /\xff HTTP/1.1" 200 1 "-" "x"', None),
        (
            b'::1 - - [01/Jan/2026:00:00:00 +0000] "GET /%s HTTP/1.1" 200 1 "-" "x"'
            % (b"x" * 3_000),
            None,
        ),
    ],
)
def test_lines_of_access_logs(replay, tmp_path, sink, line, event_type):
    (tmp_path / "access.log").write_bytes(line + b"\n")
    replay(tmp_path / "access.log", mapping="combined-log")
    (verdict,) = verdicts(sink)
    assert getattr(verdict, "event_type", None) == event_type


def test_a_second_replay_sends_the_same_bytes(replay, recordings, sink):
    replay(recordings / "apache_logs.gz", mapping="combined-log")
    first = sink.lines
    sink.batches.clear()
    replay(recordings / "apache_logs.gz", mapping="combined-log")
    assert sink.lines == first


def test_files_are_sent_in_their_order_in_bounded_batches(replay, recorded, sink):
    files = [recorded(*range(7_000), name="1"), recorded(*range(7_000, 14_000), name="2")]
    replay(*files)
    assert times_ms(sink) == list(range(14_000))
    assert max(map(len, sink.batches)) == BATCH_LINES


def test_long_lines_make_short_batches(replay, tmp_path, sink):
    path = tmp_path / "long"
    path.write_bytes((b"x" * 60_000 + b"\n") * 100)
    replay(path)
    assert len(sink.lines) == 100
    assert max(sum(map(len, batch)) for batch in sink.batches) < BATCH_BYTES + 60_000


def test_blank_lines_are_counted_and_not_sent(replay, tmp_path, sink):
    path = tmp_path / "blank"
    path.write_bytes(b"a\n\n \t\r\nb\n")
    report = replay(path)
    assert (report.records, report.raw, report.blank) == (4, 2, 2)
    assert sink.lines == [b"a", b"b"]


def test_a_damaged_file_is_named_and_what_is_there_is_sent(replay, recorded, tmp_path, sink):
    whole = recorded(*range(50_000))
    torn = tmp_path / "torn.gz"
    torn.write_bytes(gzip.compress(whole.read_bytes())[:-100])
    report = replay(torn, recorded(7, name="next"))
    assert "torn.gz" in report.damage[0]
    assert report.cut == 1
    assert 0 < report.events < 50_001
    assert decode(sink.lines[-1]).timestamp_ms == 7


def test_a_file_that_is_not_there_stops_it_before_anything_is_sent(
    replay, recorded, sink, tmp_path
):
    with pytest.raises(PartMissing, match="nowhere"):
        replay(recorded(1), tmp_path / "nowhere")
    assert not sink.lines


@pytest.mark.parametrize(("speed", "took_ms"), [(1, 60_000), (60, 1_000), (0.5, 120_000)])
def test_a_paced_replay_takes_its_time(replay, recorded, clock, sink, speed, took_ms):
    start_ms = clock.now_ms()
    replay(recorded(0, 30_000, 20_000, 60_000), speed=speed)
    assert clock.now_ms() - start_ms == pytest.approx(took_ms, abs=30)
    assert times_ms(sink) == [0, 30_000, 20_000, 60_000]


def test_paced_events_that_are_close_go_together(replay, recorded, sink):
    replay(recorded(0, 10, 20, 1_000, 1_010), speed=1)
    assert [len(batch) for batch in sink.batches] == [3, 2]


def test_shifted_at_full_speed_the_latest_event_is_now(replay, recorded, clock, sink):
    replay(recorded(0, 9_000, 5_000), shift_to_now=True)
    now_ms = clock.now_ms()
    assert times_ms(sink) == [now_ms - 9_000, now_ms, now_ms - 4_000]


@pytest.mark.parametrize("speed", [0.5, 1, 60])
def test_shifted_and_paced_no_event_is_from_the_future(recorded, clock, sink, speed):
    class Checking(type(sink)):
        def write(self, lines):
            for line in lines:
                assert decode(line).timestamp_ms <= clock.now_ms() + 30
            return super().write(lines)

    checking = Checking()
    plan = ReplayPlan(
        (recorded(0, HOUR_MS, HOUR_MS // 2),), load_mapping("events"), speed, shift_to_now=True
    )

    def pause(seconds):
        clock.advance(round(seconds * 1000))
        return False

    Replay(plan, checking, clock).run(pause)
    assert len(checking.lines) == 3
    if speed >= 1:
        assert max(times_ms(checking)) == pytest.approx(clock.now_ms(), abs=30)


def test_shifted_times_keep_their_distances_over_files(replay, recorded, sink):
    replay(recorded(0, name="1"), recorded(500, name="2"), shift_to_now=True)
    first_ms, second_ms = times_ms(sink)
    assert second_ms - first_ms == 500


def test_a_replay_stops_when_told(replay, recorded, stop_after):
    report = replay(recorded(0, 1_000, 2_000), speed=1, how=stop_after(2))
    assert report.receipt.accepted == 2


def test_progress_is_told_with_every_batch(replay, recorded):
    reports = []
    final = replay(recorded(*range(12_000)), progress=reports.append, shift_to_now=True)
    assert [report.phase for report in reports] == ["scan"] * 3 + ["send"] * 3
    assert reports[-1] == final
    assert final.bytes_read == final.total_bytes
    assert final.receipt.sent == final.events == 12_000


@pytest.mark.parametrize(("text", "speed"), [("max", float("inf")), ("1x", 1), ("2.5x", 2.5)])
def test_speeds(text, speed):
    assert parse_speed(text) == speed


@pytest.mark.parametrize("text", ["", "0x", "-1x", "60", "x", "infx", "1e3x"])
def test_what_is_no_speed_is_refused(text):
    with pytest.raises(UsageError):
        parse_speed(text)
