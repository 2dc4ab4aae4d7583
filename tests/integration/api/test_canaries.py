"""Secrets and ids that are sent to a server, in every place where they may stand, are told neither
to its log, nor to its telemetry, nor to the audit log."""

import logging
import threading
import time
from pathlib import Path
from secrets import token_bytes

import httpx

from rtcdp.access.key_file import change_keys, keys_path
from rtcdp.access.keys import KeyWish
from rtcdp.clock import SystemClock
from rtcdp.runtime.http.server import run_http_server
from rtcdp.runtime.processes.ports import claim_port, is_listening
from rtcdp.runtime.settings import Settings

MAIL, USER, VALUE = "canary@mail.example", "canary-user", "canary-value"
SHOP = "https://shop.example"


def test_no_canary_sings(tmp_path: Path, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    settings = Settings(data_dir=tmp_path, port=claim_port("127.0.0.1", 0))
    tokens = [
        new_key(tmp_path, "admin"),
        new_key(tmp_path, "write", origins=(SHOP,)),
        new_key(tmp_path, "write", expires_ms=1),
    ]
    stop = threading.Event()
    server = threading.Thread(target=run_http_server, args=(settings, SystemClock(), stop))
    server.start()
    while not is_listening(settings.host, settings.port):
        assert server.is_alive()
        time.sleep(0.02)
    with httpx.Client(base_url=settings.base_url, trust_env=False, timeout=60) as client:
        session, telemetry = ask(client, tokens)
    stop.set()
    server.join()

    secrets = [each.rpartition("_")[2] for each in tokens]
    canaries = [MAIL, USER, VALUE, session, *secrets]
    for place, text in {
        "log": "\n".join(ours.getMessage() for ours in caplog.records if is_ours(ours)),
        "telemetry": telemetry,
        "audit log": (tmp_path / "audit.jsonl").read_text(),
    }.items():
        assert [each for each in canaries if each in text] == [], place
    assert "rtcdp_received_records_total" in telemetry


def is_ours(record: logging.LogRecord) -> bool:
    """Not this test's own client, which tells of its requests when it is asked to."""
    return not record.name.startswith(("httpx", "httpcore"))


def new_key(directory: Path, scope: str, **bounds: object) -> str:
    wish = KeyWish("a key", (scope,), **bounds)
    path = keys_path(directory)
    return change_keys(path, lambda ring: ring.with_new(wish, 0, token_bytes)).token


def ask(client: httpx.Client, tokens: list[str]) -> tuple[str, str]:
    """Everything that holds a canary; returns the session's value, and what telemetry says."""
    admin, page, expired = tokens
    good = {"Authorization": f"Bearer {admin}"}
    event = {"userId": MAIL, "timestamp": 0, "eventType": "PAGE_VIEW"}
    bad = {**event, "timestamp": VALUE}
    statuses = [
        client.post("/v1/import", json=[event, bad], headers=good).status_code,
        client.post("/v1/import", content=f'{{"userId": "{USER}"', headers=good).status_code,
        client.post(f"/v1/events?key={page}", json=event, headers={"Origin": SHOP}).status_code,
        client.post(f"/v1/events?key={page}", json=event).status_code,
        client.get("/api/ledger", headers={"Authorization": f"Bearer {expired}"}).status_code,
        client.get("/api/ledger", headers={"Authorization": f"Bearer {admin}{VALUE}"}).status_code,
        client.get("/api/ledger", auth=(MAIL, expired)).status_code,
        client.get(f"/api/users/{USER}?limit={VALUE}", headers=good).status_code,
        client.get(f"/api/users/{MAIL}", headers=good).status_code,
        client.get(f"/{USER}", headers={**good, "Accept": "text/html"}).status_code,
        client.post("/login", data={"key": f"{expired}{VALUE}", "next": f"/{USER}"}).status_code,
        client.post("/login", data={"key": admin}).status_code,
    ]
    assert statuses == [200, 400, 200, 403, 401, 401, 401, 400, 404, 404, 401, 303]
    telemetry = client.get("/metrics", headers=good)
    assert telemetry.is_success
    return client.cookies["rtcdp_session"], telemetry.text
