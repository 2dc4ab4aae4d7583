import contextlib
import json
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from secrets import token_bytes

import httpx
import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from rtcdp.access.key_file import change_keys, keys_path
from rtcdp.access.keys import KeyWish
from rtcdp.access.rules import AccessRules
from rtcdp.clock import SystemClock
from rtcdp.engines.spark.limits import SparkLimits
from rtcdp.errors import UsageError
from rtcdp.log.contract import LogFailed
from rtcdp.log.embedded import EmbeddedLogReader, EmbeddedLogWriter
from rtcdp.runtime.diagnosis import diagnose
from rtcdp.runtime.generating import collector_address
from rtcdp.runtime.http.server import (
    Roles,
    checks_of,
    commit_ms,
    is_processing,
    lack_of_room,
    run_http_server,
)
from rtcdp.runtime.parts import metrics_of, store_of
from rtcdp.runtime.processes.locks import processor_lock
from rtcdp.runtime.processes.ports import claim_port, is_listening
from rtcdp.runtime.processes.troubles import TroubleNote
from rtcdp.runtime.settings import Settings
from rtcdp.sources.sender import HttpSink
from rtcdp.testing.epochs import EpochMaker


def test_a_disk_without_room_is_told(tmp_path) -> None:
    assert lack_of_room(tmp_path, min_free_bytes=0) is None
    assert "is full" in str(lack_of_room(tmp_path, min_free_bytes=2**80))
    assert "No such file" in str(lack_of_room(tmp_path / "nowhere"))


def test_whether_a_processor_works_is_known_by_its_lock(tmp_path) -> None:
    settings = Settings(data_dir=tmp_path)
    works = is_processing(settings)
    assert works is not None
    assert not works()
    with processor_lock(settings):
        assert works()
    assert not works()


def test_of_a_store_on_a_server_it_is_not_known(tmp_path) -> None:
    assert is_processing(Settings(data_dir=tmp_path, store="postgresql://localhost/a")) is None


def test_who_takes_no_events_has_nothing_of_its_own_to_check(tmp_path) -> None:
    checks = checks_of(Settings(data_dir=tmp_path), None, None)
    assert {name: check() for name, check in checks.items()} == {"processor": None}


def test_spark_has_the_time_of_ten_batches() -> None:
    assert commit_ms(Settings()) == 0
    slow = Settings(engine="spark", spark=SparkLimits(trigger_s=2.0))
    assert commit_ms(slow) == 20_000


EVERYTHING = Roles()
EVENT = {"userId": "ada", "timestamp": 0, "eventType": "PAGE_VIEW"}


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=tmp_path, port=claim_port("127.0.0.1", 0))


class Running(threading.Thread):
    """A server in a thread; `error` is what it ended with."""

    def __init__(self, settings: Settings, roles: Roles) -> None:
        super().__init__()
        self.error: BaseException | None = None
        self.stop = threading.Event()
        self._arguments = (settings, SystemClock(), self.stop, roles)

    def run(self) -> None:
        try:
            run_http_server(*self._arguments)
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.error = error


@contextmanager
def running(
    settings: Settings, roles: Roles = EVERYTHING
) -> Iterator[tuple[httpx.Client, Running]]:
    server = Running(settings, roles)
    server.start()
    try:
        while not is_listening(settings.host, settings.port):
            assert server.is_alive(), server.error
            time.sleep(0.02)
        with httpx.Client(base_url=settings.base_url, trust_env=False, timeout=60) as client:
            yield client, server
    finally:
        server.stop.set()
        server.join(20)
    assert not server.is_alive()


def test_one_server_takes_events_answers_and_shows_the_page(settings):
    with running(settings) as (client, server):
        assert client.post("/v1/events", json=EVENT).json()["accepted"] == 1
        assert client.get("/api/ledger").json()["totals"]["received"] == 0
        assert "<html" in client.get("/", headers={"Accept": "text/html"}).text
        assert client.get("/nowhere").headers["content-type"].startswith("application/problem+json")
        paths = client.get("/schema/openapi.json").json()["paths"]
        assert {"/v1/events", "/api/ledger"} <= set(paths)
        found = {each.what: each for each in diagnose(settings, {}, SystemClock())}
        assert (found["port"].state, "of rtcdp" in found["port"].fact) == ("odd", True)
    assert server.error is None
    assert not is_listening(settings.host, settings.port)


@pytest.mark.parametrize("path", ["/v1/events", "/v1/import", "/v1/nowhere"])
def test_every_address_is_behind_one_door(settings, path):
    with running(settings) as (client, _):
        stranger = {"Origin": "http://evil.test", "Content-Type": "text/plain"}
        assert client.post(path, json=EVENT, headers=stranger).status_code == 403
        assert client.post(path, json=EVENT, headers={"Host": "evil.test"}).status_code == 421
        assert client.get("/api/ledger", headers={"Host": "evil.test"}).status_code == 421
        assert client.get("/health/live", headers={"Host": "evil.test"}).status_code == 421
    assert events_in(settings) == 0


def test_who_is_named_in_the_settings_is_let_in(settings):
    named = replace(settings, allowed_hosts="rtcdp.test", allowed_origins="https://shop.example")
    with running(named) as (client, _):
        shop = {"Origin": "https://shop.example", "Host": "rtcdp.test"}
        answer = client.post("/v1/events", json=EVENT, headers=shop)
        assert answer.json()["accepted"] == 1
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"
        asked = {**shop, "Access-Control-Request-Method": "POST"}
        assert client.options("/v1/events", headers=asked).status_code == 204


def test_answers_have_the_manners_of_http(settings):
    with running(settings) as (client, _):
        whole = client.get("/openapi.json", headers={"Accept-Encoding": "gzip"})
        assert whole.headers["content-encoding"] == "gzip"
        tag = {"If-None-Match": whole.headers["etag"]}
        assert client.get("/openapi.json", headers=tag).status_code == 304
        assert client.get("/schema/openapi.json").json() == whole.json()
        assert client.head("/api/ledger").headers["content-type"] == "application/json"
        assert client.head("/api/live").headers["content-type"].startswith("text/event-stream")
        assert "HEAD" in client.options("/api/ledger").headers["allow"]
        assert client.options("/v1/events").headers["allow"] == "OPTIONS, POST"


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /api/analytics/user/s\xc3\xb8ren/page-views HTTP/1.1", 200),
        (b"GET /api/analytics/user/s\xf8ren/page-views HTTP/1.1", 400),
        (b"GET /api/ledger?limit=\xf8 HTTP/1.1", 400),
        (b"GET /api/metrics/\xf8 HTTP/1.1", 400),
        (b"GET http://evil.test/api/ledger HTTP/1.1", 421),
        (b"OPTIONS * HTTP/1.1", 404),
        (b"BREW /api/ledger HTTP/1.1", 405),
    ],
)
def test_no_request_line_gets_a_5xx(settings, request_line, status):
    with running(settings), socket.create_connection((settings.host, settings.port)) as client:
        host = b"evil.test" if b"evil" in request_line else b"localhost"
        client.sendall(request_line + b"\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n")
        answer = client.makefile("rb").read()
    assert int(answer.split(b" ", 2)[1]) == status


def events_in(settings: Settings) -> int:
    with closing(EmbeddedLogReader(settings.log_path)) as log:
        return sum(log.extent(partition).next_offset for partition in log.partitions())


def test_with_tls_it_speaks_https_alone_and_its_own_parts_know_it(settings, tmp_path):
    certificate, key = self_signed(tmp_path)
    access = AccessRules(tls_certificate=certificate, tls_key=key)
    safe = replace(settings, access=access)
    wish = KeyWish("me", ("admin",))
    change_keys(keys_path(tmp_path), lambda ring: ring.with_new(wish, 0, token_bytes))
    assert safe.base_url.startswith("https://")
    with running(safe):
        address = collector_address(safe)
        sink = HttpSink(address, SystemClock(), lambda _: True)
        assert sink.write([json.dumps(EVENT).encode()]).accepted == 1
        sink.close()
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{safe.port}/health/live", trust_env=False)
        with pytest.raises(httpx.ConnectError, match="certificate"):
            httpx.get(f"{safe.base_url}/health/live", trust_env=False)
    assert events_in(settings) == 1


def self_signed(directory):
    """A certificate for another name, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rtcdp.test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = directory / "chain.pem", directory / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


def test_with_tokens_of_others_alone_its_own_parts_send_all_the_same(settings, tmp_path):
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    public = jwt.get_algorithm_by_name("ES256").to_jwk(key, as_dict=True)
    published = tmp_path / "jwks.json"
    published.write_text(json.dumps({"keys": [{**public, "kid": "a", "alg": "ES256"}]}))
    access = AccessRules(jwks=str(published), jwt_audience="rtcdp", jwt_issuer="login")
    theirs = replace(settings, access=access)
    with running(theirs) as (client, _):
        assert client.get("/api/ledger").status_code == 401
        sink = HttpSink(collector_address(theirs), SystemClock(), lambda _: True)
        assert sink.write([json.dumps(EVENT).encode()]).accepted == 1
        sink.close()


def test_a_key_that_is_made_while_it_runs_shuts_it(settings, tmp_path):
    with running(settings) as (client, _):
        assert client.get("/api/ledger").is_success
        wish = KeyWish("me", ("read",))
        ring = change_keys(keys_path(tmp_path), lambda ring: ring.with_new(wish, 0, token_bytes))
        time.sleep(0.3)
        assert client.get("/api/ledger").status_code == 401
        assert client.post("/v1/events", json=EVENT).status_code == 401
        shown = {"Authorization": f"Bearer {ring.token}"}
        assert client.get("/api/ledger", headers=shown).is_success
        assert client.get("/health/live").is_success


def test_who_has_a_page_open_gets_what_another_one_got_while_they_may(settings, tmp_path):
    open_page = {"Accept": "text/html", "Cache-Control": "max-age=1"}
    with running(settings) as (client, _):

        def asked() -> httpx.Response:
            return client.get("/docs", headers=open_page)

        first, again = asked(), asked()
        assert first.status_code == again.status_code == 200
        assert first.content == again.content
        for name in ("content-encoding", "content-security-policy", "etag", "vary", "date"):
            assert first.headers.get(name) == again.headers.get(name)
        tag = {"If-None-Match": first.headers["etag"]}
        assert client.get("/docs", headers={**open_page, **tag}).status_code == 304
        wish = KeyWish("reader", ("read",))
        made = change_keys(keys_path(tmp_path), lambda ring: ring.with_new(wish, 0, token_bytes))
        # Long before what is kept is too old.
        while client.get("/api/ledger").is_success:
            time.sleep(0.01)
        assert asked().status_code != 200
        client.headers["Authorization"] = f"Bearer {made.token}"
        assert asked().status_code == 200


def test_a_live_stream_ends_with_what_it_was_opened_with(settings, tmp_path):
    path = keys_path(tmp_path)
    with running(settings) as (client, _), client.stream("GET", "/api/live") as open_to_all:
        lines = open_to_all.iter_lines()
        next(lines)
        wish = KeyWish("me", ("read",))
        made = change_keys(path, lambda ring: ring.with_new(wish, 0, token_bytes))
        assert sum(1 for _ in islice(lines, 50)) < 50
        shown = {"Authorization": f"Bearer {made.token}"}
        with client.stream("GET", "/api/live", headers=shown) as stream:
            assert stream.status_code == 200
            lines = stream.iter_lines()
            next(lines)
            change_keys(path, lambda ring: (ring.with_revoked(made.key.id, 1), None))
            assert sum(1 for _ in islice(lines, 50)) < 50


def test_slow_bodies_hold_up_nobodys_answer(settings):
    few = limited(settings, max_answers=1, header_timeout_s=3.0)
    begun = (
        b"POST /api/recommendations/basket HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    )
    address = (settings.host, settings.port)
    with running(few) as (client, _), socket.create_connection(address, 20) as slow:
        slow.sendall(begun)
        time.sleep(0.1)
        assert client.get("/api/ledger", timeout=20).is_success
        assert not select.select([slow], [], [], 0)[0], "answered before the slow one was given up"
        assert slow.recv(4096).split(b" ", 2)[1] == b"408"


def test_a_collector_alone_gives_no_answers(settings):
    with running(settings, Roles(answers=False)) as (client, _):
        assert client.post("/v1/events", json=EVENT).status_code == 200
        assert client.get("/api/ledger").status_code == 404


def test_answers_alone_take_no_events(settings):
    with running(settings, Roles(collects=False)) as (client, _):
        assert client.post("/v1/events", json=EVENT).status_code == 404
        assert client.get("/api/ledger").status_code == 200
    assert not settings.log_path.exists()


def test_an_open_live_stream_does_not_keep_it_from_stopping(settings):
    with running(settings) as (client, server), client.stream("GET", "/api/live") as stream:
        next(stream.iter_lines())
        server.stop.set()
        server.join(20)
        assert not server.is_alive()


def test_a_log_that_fails_ends_the_process_with_its_error(settings, monkeypatch):
    def fail(*_: object) -> None:
        raise LogFailed("the disk is gone")

    with running(settings) as (client, server):
        monkeypatch.setattr(EmbeddedLogWriter, "append", fail)
        assert client.post("/v1/events", json=EVENT).status_code == 503
        server.join(20)
    assert isinstance(server.error, LogFailed)


def test_other_addresses_than_loopback_are_refused(tmp_path):
    settings = Settings(data_dir=tmp_path, host="0.0.0.0")  # noqa: S104
    with pytest.raises(UsageError, match="without a key"):
        run_http_server(settings, SystemClock(), threading.Event())


def test_clients_that_say_or_read_nothing_lock_nobody_out(settings):
    """The server library stops taking connections at 128 by itself."""
    with running(settings) as (client, _), contextlib.ExitStack() as connections:
        for number in range(200):
            connection = socket.create_connection((settings.host, settings.port))
            connections.enter_context(connection)
            if number % 2:
                connection.sendall(
                    b"POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"
                )
        assert client.get("/health/live", timeout=8.0).status_code == 200
        assert client.post("/v1/events", json=EVENT, timeout=8.0).status_code == 200


def test_questions_that_need_only_the_store_are_answered_while_kafka_is_down(settings):
    nobody = claim_port("127.0.0.1", 0)
    settings = replace(settings, log=f"kafka://127.0.0.1:{nobody}/raw_customer_events")
    with store_of(settings) as store:
        store.prepare(metrics_of(settings))
        store.commit(EpochMaker().make(admitted=3))
    with running(settings, Roles(collects=False)) as (client, _):
        for _ in range(3):
            answer = client.get("/api/ledger", timeout=30)
            assert answer.status_code == 200
            body = answer.json()
            assert body["totals"]["received"] == 3
            assert (body["as_of"], body["lag_ms"]) == (None, None)
            assert body["warning"]
        assert client.get("/api/metrics/orders", timeout=30).json()["lag_ms"] is None
        assert client.get("/health/ready", timeout=30).status_code == 503


def test_ready_tells_what_keeps_the_processor_from_working(settings):
    with running(settings) as (client, _):
        assert client.get("/health/ready").status_code == 200
        TroubleNote(settings).write("no such column: received")
        ready = client.get("/health/ready")
        assert (ready.status_code, ready.json()["parts"]["processor"]) == (
            503,
            "no such column: received",
        )
        assert client.post("/v1/events", json=EVENT).status_code == 200


def limited(settings, **limits):
    return replace(settings, http=replace(settings.http, **limits))


def connected(settings) -> socket.socket:
    connection = socket.create_connection((settings.host, settings.port))
    connection.settimeout(20)
    return connection


ASK = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_a_connection_too_many_waits_until_another_one_ends(settings):
    with running(limited(settings, max_connections=3)) as (client, _):
        assert client.get("/health/live").status_code == 200
        others = [connected(settings) for _ in range(2)]
        for each in others:
            each.sendall(ASK)
            assert each.recv(4096).startswith(b"HTTP/1.1 200")
        with closing(connected(settings)) as waiting:
            waiting.sendall(ASK)
            waiting.settimeout(1)
            with pytest.raises(TimeoutError):
                waiting.recv(4096)
            waiting.settimeout(20)
            others.pop().close()
            assert waiting.recv(4096).startswith(b"HTTP/1.1 200")
        others.pop().close()


@pytest.mark.parametrize("said", [b"", ASK[:30], ASK])
def test_a_connection_that_says_no_more_is_closed(settings, said):
    with running(limited(settings, header_timeout_s=0.5)), closing(connected(settings)) as idle:
        idle.sendall(said)
        answer = b""
        while some := idle.recv(4096):
            answer += some
    assert answer.startswith(b"HTTP/1.1 200" if said == ASK else b"")


def test_headers_have_a_largest_length(settings):
    with running(settings) as (client, _):
        most = settings.http.max_header_bytes
        assert client.get("/health/live", headers={"X-A": "a" * (most // 2)}).status_code == 200
        assert client.get("/health/live", headers={"X-A": "a" * 2 * most}).status_code == 431
