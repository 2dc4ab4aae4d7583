import logging
import math
import socket
import threading
from email.utils import formatdate

import pytest

from rtcdp.errors import UsageError
from rtcdp.sources.sender import (
    IMPORT_PATH,
    CollectorAddress,
    CollectorRefused,
    CollectorUnreachable,
    HttpSink,
    SenderLimits,
)
from rtcdp.sources.sinks import Receipt
from rtcdp.sources.synthetic.dials import Dials
from rtcdp.sources.synthetic.live import Generator, Schedule
from rtcdp.sources.synthetic.stream import EventStream

LINES = EventStream(seed=1, run_ms=0).lines(range(10))


@pytest.fixture
def http(collector, clock, pause):
    """Makes sinks for the scripted collector and closes them."""
    sinks = []

    def make(pause=pause, limits=None, **address):
        address = CollectorAddress(base_url=address.pop("base_url", collector.url), **address)
        sinks.append(HttpSink(address, clock, pause, limits))
        return sinks[-1]

    yield make
    for sink in sinks:
        sink.close()


def test_lines_go_as_ndjson_and_come_back_as_a_receipt(collector, http):
    assert http().write([*LINES, b"broken"]) == Receipt(accepted=10, rejected=1)
    (request,) = collector.requests
    path, headers, body = request
    assert path == "/v1/events"
    assert headers["content-type"] == "application/x-ndjson"
    assert body == b"\n".join([*LINES, b"broken", b""])


def test_source_and_key_go_along(collector, http):
    http(path=IMPORT_PATH, source="shop", api_key="secret").write(LINES)
    ((path, headers, _),) = collector.requests
    assert path == "/v1/import?source=shop"
    assert headers["authorization"] == "Bearer secret"


def test_nothing_to_send_is_no_request(collector, http):
    assert http().write([]) == Receipt()
    assert not collector.requests


def test_requests_keep_the_limits(collector, http):
    limits = SenderLimits(max_lines=4, max_body_bytes=1_000)
    receipt = http(limits=limits).write([b"x" * size for size in (400, 599, 2_000, 1, 1, 1, 1, 1)])
    assert receipt.sent == 8
    assert [body.count(b"\n") for _, _, body in collector.requests] == [1, 1, 1, 4, 1]


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured(collector, http, pause, status):
    collector.script = [(status, {"Retry-After": "7"}), (status, {"Retry-After": "3"})]
    assert http().write(LINES) == Receipt(accepted=10, retries=2)
    assert pause.waits == [7, 3]


def test_retry_after_may_be_a_date(collector, http, pause, clock):
    date = formatdate(clock.now_ms() / 1000 + 12, usegmt=True)
    collector.script = [(503, {"Retry-After": date})]
    http().write(LINES)
    assert pause.waits == [12]


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "soon"}])
def test_without_retry_after_the_waits_double_up_to_a_limit(collector, http, pause, headers):
    collector.script = [(500, headers)] * 8
    http().write(LINES)
    assert pause.waits == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]


def test_a_connection_that_breaks_after_the_events_arrived_counts_them_once(collector, http):
    collector.script = ["hang up", "hang up"]
    assert http().write(LINES) == Receipt(duplicates=10, retries=2)
    assert len(collector.taken) == 30
    assert len(collector.ids) == 10


def test_a_repeated_request_has_the_same_bytes(collector, http):
    collector.script = ["hang up", (503, {}), (429, {"Retry-After": "1"})]
    http().write(LINES)
    assert len({body for _, _, body in collector.requests}) == 1


def test_with_nobody_there_it_gives_up_soon_and_says_what_to_do(http, pause):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(CollectorUnreachable, match=str(port)) as failed:
        http(base_url=f"http://127.0.0.1:{port}").write(LINES)
    assert failed.value.exit_code == 3
    assert "rtcdp up" in failed.value.hint
    assert sum(pause.waits) <= SenderLimits().first_patience_s


def test_a_collector_that_went_away_is_waited_for_longer(collector, http, pause):
    sink = http()
    sink.write(LINES[:1])
    collector.script = [(503, {})] * 1_000
    with pytest.raises(CollectorUnreachable, match="not now"):
        sink.write(LINES)
    assert 50 < sum(pause.waits) <= SenderLimits().patience_s


def test_a_wait_longer_than_its_patience_is_not_begun(collector, http, pause):
    collector.script = [(503, {"Retry-After": "86400"})]
    with pytest.raises(CollectorUnreachable):
        http().write(LINES)
    assert pause.waits == []


def test_a_body_that_is_too_large_is_halved(collector, http):
    collector.script = [(413, {}), (413, {})]
    assert http().write(LINES) == Receipt(accepted=10)
    assert [body.count(b"\n") for _, _, body in collector.requests] == [10, 5, 2, 3, 5]
    assert collector.taken == LINES


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 413, 415])
def test_what_asking_again_won_t_help_is_an_error(collector, http, pause, status):
    collector.script = [(status, {})]
    with pytest.raises(CollectorRefused, match=rf"{status} No: not now") as refused:
        http().write(LINES[:1])
    assert refused.value.hint
    assert not pause.waits


@pytest.mark.parametrize(
    "answer", [b"hello", b"{}", b'{"accepted":9,"duplicates":0,"rejected":[]}']
)
def test_an_answer_that_is_no_receipt_for_the_lines_is_an_error(collector, http, answer):
    collector.script = [answer]
    with pytest.raises(CollectorRefused):
        http().write(LINES)


def test_told_to_stop_it_reports_what_is_unconfirmed(collector, http, stop_after):
    collector.script = [(503, {})]
    limits = SenderLimits(max_lines=4)
    sink = http(stop_after(1), limits)
    assert sink.write(LINES) == Receipt(unconfirmed=10)
    assert sink.write(LINES) == Receipt(unconfirmed=10)
    assert len(collector.requests) == 1


def test_a_line_with_a_byte_order_mark_does_not_start_the_body(collector, http):
    http().write([b"\xef\xbb\xbfline"])
    assert collector.requests[0][2] == b"\n\xef\xbb\xbfline\n"


@pytest.mark.parametrize(
    "wrong", ["", "localhost:8081", "ftp://x", "http://", "http://x:y", "http://x?y"]
)
def test_what_is_no_http_address_is_refused(wrong):
    with pytest.raises(UsageError, match="address"):
        CollectorAddress(base_url=wrong)


def test_a_key_is_not_shown():
    assert "secret" not in repr(CollectorAddress(base_url="http://x", api_key="secret"))


def test_the_environment_s_proxy_is_not_used_for_the_own_machine(http, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert http().write(LINES).accepted == 10


def test_a_generator_loses_nothing_to_a_failing_collector(collector, http, clock, pause):
    collector.script = ["hang up", None, (503, {"Retry-After": "1"}), "hang up", (413, {})]
    stream = EventStream(seed=1, run_ms=0, dials=Dials(duplicates=0.1, malformed=0.1))
    schedule = Schedule(rate_per_s=1_000, lines=2_000)
    report = Generator(stream, http(), schedule, clock).run(pause)
    counts = report.counts
    assert report.receipt.sent == counts.lines == 2_000
    assert len(collector.ids) == counts.fresh
    assert report.receipt.rejected == counts.malformed


def test_a_stopping_event_is_a_pause(collector, clock):
    stop = threading.Event()
    stop.set()
    collector.script = [(503, {"Retry-After": "4"})]
    sink = HttpSink(CollectorAddress(base_url=collector.url), clock, stop.wait)
    assert sink.write(LINES).unconfirmed == 10
    sink.close()


def told(caplog) -> list[str]:
    """What was said by us, and not by a library."""
    return [each.getMessage() for each in caplog.records if each.name.startswith("rtcdp")]


def test_a_collector_that_is_away_for_long_is_waited_for_and_told_of(
    collector, http, clock, caplog
):
    caplog.set_level(logging.INFO, "rtcdp")
    sink = http(limits=SenderLimits(patience_s=math.inf))
    sink.write(LINES[:1])
    began_ms = clock.now_ms()
    collector.script = [(503, {})] * 200
    assert sink.write(LINES[1:]).accepted == 9
    assert clock.now_ms() - began_ms > 300_000
    first, *_, last = told(caplog)
    assert "took no events: 503 No: not now; trying again" in first
    assert last.startswith("back again, after ")


def test_a_short_silence_is_not_told_of(collector, http, caplog):
    sink = http()
    collector.script = [(503, {}), "hang up", (503, {})]
    assert sink.write(LINES).sent == 10
    assert not told(caplog)
