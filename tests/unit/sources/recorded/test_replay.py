import gzip
from collections import Counter

import msgspec
import pytest

from rtcdp.errors import PartMissing, UsageError
from rtcdp.events.codec import decode
from rtcdp.events.dead_letter import Rejection
from rtcdp.sources.recorded.mapping import load_mapping
from rtcdp.sources.recorded.replay import BATCH_BYTES, BATCH_LINES, Replay, ReplayPlan, parse_speed

HOUR_MS = 3_600_000
EVENT = b'{"userId":"ann","timestamp":1,"eventType":"A"}'


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


def test_the_torn_row_of_the_shop_goes_with_the_reason(replay, recordings, sink):
    report = replay(recordings / "rees46-2019-oct.csv.gz", mapping="rees46")
    assert msgspec.json.decode(sink.lines[-1])["line"].endswith("elenberg,25.71,52040330")
    verdict = verdicts(sink)[-1]
    assert verdict.reason == "not_mapped"
    assert verdict.message.startswith("line 17436: the line is '2019-10-0")
    assert verdict.message.endswith("expected 9 columns, and it has 8")
    (reason,) = report.reasons
    assert reason.count == 1
    assert "line 17436 of " in reason.first


def test_a_dead_letter_of_a_mapped_file_names_column_value_and_expectation(replay_shop, shop, sink):
    report = replay_shop(
        shop("yesterday,view,1,,,,1,7,s", "2026-01-01 00:00:00 UTC,view,1,,,,1,,s")
    )
    good, no_time, no_user = verdicts(sink)
    assert good.user_id == "7"
    assert (no_time.reason, no_time.step) == ("not_mapped", "parse")
    assert no_time.message == (
        "line 3: column event_time is 'yesterday', expected a time like 2026-01-31 09:30:00 UTC"
    )
    assert no_user.message == "line 4: column user_id is empty, expected the user's id"
    assert [reason.count for reason in report.reasons] == [1, 1]


@pytest.fixture
def shop(tmp_path):
    """A file of a shop: the columns, a row that is well, and the rows given."""

    def write(*rows, good=1):
        path = tmp_path / "shop.csv"
        header = "event_time,event_type,product_id,category_id,category_code,brand,price,user_id"
        well = "2026-01-01 00:00:00 UTC,view,1,,,,1,7,s"
        path.write_text("\n".join([header + ",user_session", *[well] * good, *rows, ""]))
        return path

    return write


@pytest.fixture
def replay_shop(replay):
    return lambda path, **how: replay(path, mapping="rees46", **how)


@pytest.mark.parametrize("rows", [1, 100, 500])
def test_a_wrong_mapping_is_told_before_anything_is_sent(replay_shop, shop, sink, rows):
    path = shop(*["01.01.2026 00:00,view,1,,,,1,7,s"] * rows, good=0)
    with pytest.raises(UsageError, match=r"column event_time is '01\.01\.2026 00:00'") as told:
        replay_shop(path)
    assert ("none of the first 100 lines" in str(told.value)) == (rows >= 100)
    assert "--mapping" in told.value.hint
    assert sink.lines == []


def test_a_file_of_another_kind_is_told_without_a_mapping_too(replay, shop, sink):
    with pytest.raises(UsageError, match="expected an event as JSON"):
        replay(shop(*["x"] * 5))
    assert sink.lines == []


def test_the_second_file_is_looked_at_before_the_first_is_sent(replay, recorded, tmp_path, sink):
    (tmp_path / "other").write_text("x\n")
    with pytest.raises(UsageError, match=r"no line of .*other is an event"):
        replay(recorded(1), tmp_path / "other")
    assert sink.lines == []


def test_one_good_line_among_the_first_hundred_is_enough(replay_shop, shop, sink):
    assert replay_shop(shop(*["x"] * 300)).raw == 300
    assert len(sink.lines) == 301


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
    well = rb'::1 - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 1 "-" "x"'
    (tmp_path / "access.log").write_bytes(well + b"\n" + line + b"\n")
    replay(tmp_path / "access.log", mapping="combined-log")
    _, verdict = verdicts(sink)
    assert getattr(verdict, "event_type", None) == event_type


_TIME = "[01/Jan/2026:00:00:00 +0000]"
_REST = '200 1 "-" "x"'


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f'1.2.3.4 - John R. Doe {_TIME} "GET / HTTP/1.1" {_REST}', {"login": "John R. Doe"}),
        (f'1.2.3.4 - a [b] c {_TIME} "GET / HTTP/1.1" {_REST}', {"login": "a [b] c"}),
        (f'1.2.3.4 - - {_TIME} "GET /a b c HTTP/1.1" {_REST}', {"pageUrl": "/a b c"}),
        (f'1.2.3.4 - - {_TIME} "GET /a b" {_REST}', {"pageUrl": "/a b", "protocol": None}),
        (
            f'1.2.3.4 - - {_TIME} "GET / HTTP/1.1" {_REST} "9.9.9.9, 8.8.8.8"',
            {"userId": "1.2.3.4", "forwardedFor": "9.9.9.9, 8.8.8.8"},
        ),
        (f'1.2.3.4 - - {_TIME} "GET / HTTP/1.1" {_REST} "-"', {"forwardedFor": None}),
        (f'1.2.3.4 - - {_TIME} "GET / HTTP/1.1" {_REST} "-" 0.003 shop', {"userAgent": "x"}),
        (
            f'shop.example:443 1.2.3.4 - ada {_TIME} "GET / HTTP/2.0" {_REST}',
            {"userId": "1.2.3.4", "host": "shop.example:443", "login": "ada"},
        ),
        (f'1.2.3.4 - - {_TIME} "GET / HTTP/1.1" 200 1', {"userId": "1.2.3.4", "host": None}),
        (
            '1.2.3.4 - - [01/Jan/2026:00:00:00.250 +0000] "GET / HTTP/1.1" ' + _REST,
            {"timestamp": 1_767_225_600_250},
        ),
        (
            rf'1.2.3.4 - - {_TIME} "GET /\"a\" HTTP/1.1" 200 1 "-" "the \"X\" \\ \x22Y\x22"',
            {"pageUrl": '/"a"', "userAgent": r'the "X" \ "Y"'},
        ),
        (rf'1.2.3.4 - - {_TIME} "GET /caf\xC3\xA9 HTTP/1.1" {_REST}', {"pageUrl": "/café"}),
        (rf'1.2.3.4 - - {_TIME} "GET /\xff\x00 HTTP/1.1" {_REST}', {"pageUrl": r"/\xff\x00"}),
    ],
)
def test_access_logs_as_they_are(replay, tmp_path, sink, line, expected):
    (tmp_path / "access.log").write_text(line + "\n", encoding="utf-8")
    replay(tmp_path / "access.log", mapping="combined-log")
    (verdict,) = verdicts(sink)
    assert not isinstance(verdict, Rejection), verdict
    found = {
        **msgspec.json.decode(verdict.properties),
        "userId": verdict.user_id,
        "pageUrl": verdict.page_url,
        "timestamp": verdict.timestamp_ms,
    }
    assert {name: found.get(name) for name in expected} == expected


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
    path.write_bytes((b"x" * 60_000 + b"\n") * 99 + EVENT + b"\n")
    replay(path)
    assert len(sink.lines) == 100
    assert max(sum(map(len, batch)) for batch in sink.batches) < BATCH_BYTES + 60_000


def test_blank_lines_are_counted_and_not_sent(replay, tmp_path, sink):
    path = tmp_path / "blank"
    path.write_bytes(b"a\n\n \t\r\n" + EVENT + b"\n")
    report = replay(path)
    assert (report.records, report.raw, report.events, report.blank) == (4, 1, 1, 2)
    assert (len(sink.lines), sink.lines[0]) == (2, b"a")


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
