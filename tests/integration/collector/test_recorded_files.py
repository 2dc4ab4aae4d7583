"""Recorded files over HTTP, on the real server with the real log: of any size, each line once."""

import base64
import gzip
import hashlib
import random
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
import zstandard
from litestar import Litestar

from rtcdp.clock import SystemClock
from rtcdp.intake.collector import Collector
from rtcdp.intake.limits import CollectorLimits
from rtcdp.intake.routes import collector_routes
from rtcdp.log.embedded import EmbeddedLogReader, EmbeddedLogWriter
from rtcdp.runtime.collecting.file_door import CollectorFiles
from rtcdp.runtime.collecting.local_intake import local_sink
from rtcdp.runtime.http.server import run_http_server
from rtcdp.runtime.processes.ports import claim_port, is_listening
from rtcdp.runtime.settings import Settings
from rtcdp.sources.recorded.mapping import load_mapping
from rtcdp.sources.recorded.replay import Replay, ReplayPlan

LIMITS = CollectorLimits(
    body_grace_s=1.0, min_body_bytes_per_s=2**20, max_imports=2, max_import_bytes=32 * 2**20
)
TOML = """
format = "csv"
[fields]
userId = "{who}"
[event_type]
default = "A"
[timestamp]
from = "{at}"
"""


@dataclass
class Server:
    """A server, what it is asked with, and what its log holds."""

    client: httpx.Client
    log: Path

    def send(self, body, name=None, **more) -> httpx.Response:
        params = {} if name is None else {"name": name}
        params.update(more.pop("params", {}))
        return self.client.post("/v1/import", content=body, params=params, **more)

    def records(self, source: str = "default") -> list[tuple]:
        return [each for each in records_of(self.log) if each[1] == source]

    def raw(self, source: str) -> list[bytes]:
        return [raw for raw, *_ in self.records(source)]


def records_of(log: Path) -> list[tuple]:
    if not (log / "log.db").exists():
        return []
    reader, found, offset = EmbeddedLogReader(log), [], 0
    try:
        while len(records := reader.read(0, offset, 2**24)):
            found += [(each.raw, each.source, each.intake) for each in records.each()]
            offset = records.next_offset
    finally:
        reader.close()
    return found


@contextmanager
def serving(folder: Path, limits: CollectorLimits = LIMITS, **more) -> Iterator[Server]:
    port, stop = claim_port("127.0.0.1", 0), threading.Event()
    settings = Settings(data_dir=folder, port=port, collector=limits, folds="none", **more)
    thread = threading.Thread(target=run_http_server, args=(settings, SystemClock(), stop))
    thread.start()
    try:
        while not is_listening("127.0.0.1", port):
            assert thread.is_alive()
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=url, trust_env=False, timeout=60) as client:
            yield Server(client, folder / "log")
    finally:
        stop.set()
        thread.join(20)
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    """One for all tests, which send under sources of their own."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "mappings").mkdir(parents=True)
    (folder / "mappings" / "own.toml").write_text(TOML)
    with serving(folder) as serving_now:
        yield serving_now


def shop(rows: int, user: str = "u") -> bytes:
    """A shop's clickstream in the format that the mapping rees46 is made for."""
    header = "event_time,event_type,product_id,category_id,category_code,brand,price"
    lines = [f"{header},user_id,user_session"]
    for number in range(rows):
        at = f"2026-01-01 00:{number // 60 % 60:02}:{number % 60:02} UTC"
        kind = ("view", "view", "cart", "purchase")[number % 4]
        lines.append(f"{at},{kind},{number},205,a.mixer,acme,{number % 50}.25,{user}{number},s")
    return "\n".join([*lines, ""]).encode()


def events(count: int, padding: int = 60) -> bytes:
    """Lines without ids, which are hard to compress."""
    text = random.Random(1).randbytes(count * padding // 2).hex().encode()
    line = b'{"userId":"u%d","timestamp":1767225600000,"eventType":"A","properties":{"p":"%s"}}\n'
    return b"".join(line % (n, text[n * padding : (n + 1) * padding]) for n in range(count))


def replayed(folder: Path, name: str, content: bytes, mapping: str, source: str) -> Sequence[tuple]:
    """What `rtcdp replay` has in a log of its own after the file."""
    file = folder / name
    file.write_bytes(content)
    with local_sink(Settings(data_dir=folder / "data"), SystemClock(), source) as sink:
        Replay(ReplayPlan((file,), load_mapping(mapping)), sink, SystemClock()).run(lambda _: False)
    return records_of(folder / "data" / "log")


def test_a_file_is_in_the_log_byte_for_byte_as_after_a_replay_and_once(server, tmp_path):
    plain = shop(30_000) + b"2026-01-01 00:00:61 UTC,view\n\n" + shop(3)
    params = {"source": "shop", "mapping": "rees46"}
    expected = replayed(tmp_path, "day.csv", plain, "rees46", "shop")
    sent = server.send(gzip.compress(plain), "day.csv.gz", params=params)
    assert sent.json() | {"rejected": 0} == {
        "accepted": 30_003,
        "duplicates": 0,
        "rejected": 0,
        "rejected_count": 2,
        "known": 0,
        "blank": 1,
    }
    told = sent.json()["rejected"][0]
    assert (told["index"], told["code"]) == (30_000, "not_mapped")
    assert told["message"].startswith("line 30002: the line is ")
    assert server.records("shop") == expected
    # Called and packed otherwise, and grown since.
    packed = zstandard.compress(plain + shop(5).partition(b"\n")[2])
    headers = {
        "Content-Encoding": "zstd",
        "Content-Disposition": 'attachment; filename="C:\\\\days\\\\1.csv"',
    }
    again = server.send(packed, params=params, headers=headers)
    assert again.json() | {"rejected": []} == {
        "accepted": 5,
        "duplicates": 0,
        "rejected": [],
        "rejected_count": 0,
        "known": 30_006,
        "blank": 0,
    }
    assert server.records("shop")[-1][0].startswith(b'{"eventId":"1.csv:30012:')
    assert len(server.records("shop")) == len(expected) + 5


def test_a_file_that_comes_twice_at_once_is_taken_once_and_each_sender_is_told_so(server):
    plain = events(30_000, 260)
    skippable = b"\x53\x2a\x4d\x18" + (9).to_bytes(4, "little") + b"not lines"
    bodies = (plain, gzip.compress(plain, 1), skippable + zstandard.compress(plain))
    with ThreadPoolExecutor(2) as senders:
        first = senders.submit(server.send, bodies[0], "day", params={"source": "twice"})
        second = senders.submit(server.send, bodies[1], "day.gz", params={"source": "twice"})
        told = [first.result().json(), second.result().json()]
    told.append(server.send(bodies[2], "day.zst", params={"source": "twice"}).json())
    assert [each["accepted"] + each["known"] for each in told] == [30_000] * 3
    assert sum(each["accepted"] for each in told) == len(server.records("twice")) == 30_000
    # One that has grown waits, so that it knows all of the other one.
    second_is_sent = threading.Event()

    def slowly() -> Iterator[bytes]:
        yield plain[:-9]
        second_is_sent.wait(10)
        time.sleep(0.7)
        yield plain[-9:]

    with ThreadPoolExecutor(2) as senders:
        first = senders.submit(server.send, slowly(), "day", params={"source": "grown"})
        while len(server.records("grown")) < 5_000:
            time.sleep(0.01)
        second = senders.submit(server.send, plain + events(5), "day", params={"source": "grown"})
        second_is_sent.set()
        assert first.result().json()["accepted"] == 30_000
        assert second.result().json() == first.result().json() | {"accepted": 5, "known": 30_000}
    assert len(server.records("grown")) == 30_005
    headers = {"Content-Encoding": "zstd"}
    packed = server.send(bodies[2], params={"source": "twice", "name": "day"}, headers=headers)
    assert packed.json()["known"] == 30_000
    piece = {"Rtcdp-Piece": f"after={'1' * 32}; key={'2' * 32}; bytes=9"}
    answers = [
        server.client.post("/v1/import", content=events(3) + b"{}\n", headers=piece).json()
        for _ in range(2)
    ]
    assert [(each["accepted"], each["duplicates"]) for each in answers] == [(3, 0), (0, 4)]


def test_what_is_too_much_for_a_request_is_a_file_if_it_is_one_of_lines(server):
    many, long = events(10_500), events(9_000, 500)
    for source, body, count in (
        ("many", many, 10_500),
        ("long", long, 9_000),
        ("chunked", (long[at : at + 300_000] for at in range(0, len(long), 300_000)), 9_000),
    ):
        sent = server.send(body, params={"source": source})
        assert (sent.status_code, sent.json().get("accepted")) == (200, count)
        users = [raw.partition(b'"userId":"u')[2].partition(b'"')[0] for raw in server.raw(source)]
        assert list(map(int, users)) == list(range(count))
    packed = server.send(gzip.compress(many), headers={"Content-Encoding": "gzip"})
    assert packed.json()["accepted"] == 10_500
    for refused in (b"[" + many.replace(b"\n", b",")[:-1] + b"]", b'["' + b"a" * 2**23 + b'"]'):
        answer = server.send(refused, params={"source": "array"})
        assert (answer.status_code, answer.json()["code"]) in {
            (413, "too_many_events"),
            (413, "body_too_large"),
        }
    rows = server.send(b"who,at\n" + b"a,2026-01-01T00:00:00Z\n" * 20_500)
    assert (rows.status_code, rows.json()["code"]) == (413, "too_many_events")
    assert "?mapping=" in rows.json()["hint"]
    piece = {"Rtcdp-Piece": f"after={'0' * 32}; key={'b' * 32}; bytes=9"}
    assert server.send(many, headers=piece).json()["code"] == "too_many_events"
    assert server.records("array") == []


def test_a_connection_that_is_cut_costs_nothing_but_the_rest(server):
    body = events(20_000, 260)
    with socket.create_connection(("127.0.0.1", server.client.base_url.port)) as cut:
        cut.sendall(
            b"POST /v1/import?source=cut&name=day HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body)
        )
        cut.sendall(body[: len(body) * 3 // 4 + 17])
        deadline = time.monotonic() + 60
        while len(server.records("cut")) < 5_000 and time.monotonic() < deadline:
            time.sleep(0.05)
    part = server.records("cut")
    assert 5_000 <= len(part) < 15_000
    whole = server.send(body, "day", params={"source": "cut"}).json()
    assert whole["known"] + whole["accepted"] == 20_000
    assert whole["known"] >= len(part)
    users = [raw.partition(b'"userId":"u')[2].partition(b'"')[0] for raw in server.raw("cut")]
    assert list(map(int, users)) == list(range(20_000))


def test_what_is_no_such_file_is_refused_in_words_and_nothing_is_taken(server):
    good, digest = events(10), base64.b64encode(hashlib.sha256(events(10)).digest()).decode()
    gz = {"Content-Encoding": "gzip"}
    for code, status, body, params, headers in (
        ("unknown_mapping", 400, good, {"mapping": "nobody"}, {}),
        ("unknown_mapping", 400, good, {"mapping": "../mappings/own"}, {}),
        ("unknown_mapping", 400, good, {"mapping": ""}, {}),
        ("unknown_parameter", 400, good, {"mappings": "own"}, {}),
        ("not_mapped", 400, good, {"mapping": "rees46"}, {}),
        ("not_mapped", 400, shop(9), {"name": "a.csv"}, {}),
        ("not_mapped", 400, gzip.compress(gzip.compress(events(4_000))), {"name": "a"}, gz),
        ("empty_body", 400, b"", {"name": "a"}, {}),
        ("unknown_encoding", 415, good, {"name": "a"}, {"Content-Encoding": "br"}),
        ("corrupt_encoding", 400, good, {"name": "a"}, gz),
        ("bad_digest", 400, good, {}, {"Content-Digest": "sha-256=abc"}),
        ("other_digest", 400, good[:-20] + b"\n", {}, {"Content-Digest": f"sha-256=:{digest}:"}),
        ("body_too_large", 413, b" " * (2**25 + 1), {"name": "a"}, {}),
    ):
        answer = server.send(body, params={"source": "bad", **params}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
        assert answer.json()["hint"]
    assert server.records("bad") == []
    right = {"Content-Digest": f"sha-512=:AA==:, sha-256=:{digest}:"}
    other = server.send(good, params={"source": "good"}, headers=right)
    assert other.json()["code"] == "other_digest"
    right = {"Content-Digest": f"crc32c=:AA==:, sha-256=:{digest}:"}
    assert server.send(good, params={"source": "good"}, headers=right).json()["accepted"] == 10
    own = server.send(b"who,at\na,2026-01-01T00:00:00Z\n", params={"mapping": "own"})
    assert own.json()["accepted"] == 1


def test_a_file_that_ends_in_damage_is_taken_up_to_it(server):
    torn = gzip.compress(events(4_000))[:-30_000]
    answer = server.send(torn, "day.gz", params={"source": "torn"})
    assert (answer.status_code, answer.json()["code"]) == (400, "corrupt_encoding")
    taken = len(server.records("torn"))
    assert f"; {taken:,} lines from its beginning are taken in" in answer.json()["hint"]
    assert taken > 1_000
    mended = server.send(events(4_000), "day", params={"source": "torn"}).json()
    # The torn line is no event, and is read anew.
    assert mended["known"] + mended["accepted"] == 4_000
    assert len(server.records("torn")) == 4_001


def test_who_sends_slowly_gives_way_and_who_is_one_too_many_is_told_at_once(server):
    head = b"POST /v1/import?source=slow&name=a HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    address = ("127.0.0.1", server.client.base_url.port)
    with ExitStack() as stack:
        slow = [
            stack.enter_context(socket.create_connection(address, timeout=60)) for _ in range(3)
        ]
        for each in slow:
            each.sendall(head + b"Content-Length: 9999999\r\n\r\n" + events(100)[:-9])
        too_many, *late = sorted((each.recv(65_536) for each in slow), reverse=True)
    assert too_many.startswith(b"HTTP/1.1 503 ")
    assert b'"code":"overloaded"' in too_many
    assert b"retry-after: 1\r\n" in too_many.lower()
    for answer in late:
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b'"code":"body_too_slow"' in answer
    assert server.records("slow") == []
    assert server.send(events(10), "b", params={"source": "fourth"}).status_code == 200


def test_the_limit_on_a_file_ends_it_with_what_was_taken(tmp_path):
    small = replace(LIMITS, max_import_bytes=3 * 2**20)
    with serving(tmp_path, small) as server:
        packed = server.send(gzip.compress(events(30_000)), "day")
        assert (packed.status_code, packed.json()["code"]) == (413, "body_too_large")
        assert "collector.max_import_bytes" in packed.json()["hint"]
        assert f"; {len(server.records()):,} lines" in packed.json()["hint"]
        assert 10_000 < len(server.records()) < 30_000
        # Nor is it got round by sending the file again, or a line of which hardly anything is kept.
        taken = server.records()
        again = server.send(gzip.compress(events(30_000)), "day")
        assert (again.status_code, again.json()["code"]) == (413, "body_too_large")
        assert server.records() == taken
        bomb = gzip.compress(events(1) + b"0" * 4 * 2**20 + b"\n")
        burst = server.send(bomb, params={"source": "bomb"}, name="bomb")
        assert (burst.status_code, burst.json()["code"]) == (413, "body_too_large")


async def test_a_log_without_room_ends_a_file_in_the_usual_words(tmp_path):
    log = EmbeddedLogWriter(tmp_path, SystemClock(), max_bytes=3 * 2**20)
    collector = Collector(log, SystemClock())
    files = CollectorFiles(collector, tmp_path)
    transport = httpx.ASGITransport(
        Litestar(collector_routes(collector, files=files), logging_config=None)
    )
    async with httpx.AsyncClient(transport=transport, base_url="http://collector") as client:
        full = await client.post("/v1/import?name=day", content=events(20_000, 400))
    files.close()
    collector.close()
    log.close()
    taken = len(records_of(tmp_path))
    assert (full.status_code, full.json()["code"]) == (503, "log_full")
    assert "Retry-After" in full.headers
    assert f"; {taken:,} lines from its beginning are taken in" in full.json()["hint"]
    assert 0 < taken < 20_000
