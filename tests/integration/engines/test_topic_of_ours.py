"""A topic that is declared ours: what our collectors judged is counted without being judged again,
everybody else's records pass the whole rule, and who marks what was never judged harms himself.
"""

import os
import subprocess
import sys
from dataclasses import replace

import pytest
from confluent_kafka import Producer

from rtcdp.log.contract import Delivery
from rtcdp.log.limits import KafkaTopicSettings
from rtcdp.runtime.parts import store_of
from rtcdp.runtime.settings import Settings
from rtcdp.store import UncountedScan
from tests.integration.engines.topic_installation import append, process
from tests.integration.log.kafka_events import T
from tests.servers import unused_name

OURS = KafkaTopicSettings(partitions=2, topic_is_ours=True)
MARK = [("rtcdp-judged", b"1")]


def view(user: str, number: int) -> bytes:
    return b'{"eventId":"%s-%d","userId":"%s","timestamp":%d,"eventType":"PAGE_VIEW"}' % (
        *(user.encode(), number, user.encode()),
        T + number,
    )


def installation(kafka_server, tmp_path) -> Settings:
    topic = kafka_server.create_topic(unused_name("ours"), partitions=2)
    return Settings(data_dir=tmp_path / "data", log=kafka_server.url(topic), kafka=OURS)


def collected(users: int = 7, events: int = 3_000) -> Delivery:
    records = [view(f"u{number % users}", number) for number in range(events)]
    return Delivery(b"\n".join([*records, b""]), events, T + events, rejects=((0, b"{"),))


def produce(settings: Settings, *records: tuple[bytes, object]) -> None:
    """By somebody else."""
    bootstrap, topic = settings.log.removeprefix("kafka://").split("/")
    producer = Producer({"bootstrap.servers": bootstrap})
    for value, headers in records:
        producer.produce(topic, value, partition=1, timestamp=T + 5_000, headers=headers)
    assert producer.flush(30) == 0


def totals_of(settings: Settings) -> tuple[int, int]:
    """Received and admitted."""
    with store_of(settings, read_only=True) as store, store.snapshot() as snapshot:
        totals = snapshot.ledger_totals()
    return totals["received"], totals["admitted"]


def left_out(settings: Settings) -> list[tuple[str, bytes]]:
    with store_of(settings, read_only=True) as store, store.snapshot() as snapshot:
        found = snapshot.uncounted(UncountedScan())
    return sorted(found.select("reason", "raw").rows())


@pytest.mark.parametrize("is_ours", [True, False])
def test_others_in_a_topic_of_ours_are_judged(kafka_server, tmp_path, is_ours):
    settings = installation(kafka_server, tmp_path)
    append(settings, [collected()])
    produce(settings, (view("eve", 1), []), (b'{"userId":1}', []), (b"{", [("other", b"1")]))
    settings = replace(settings, kafka=replace(OURS, topic_is_ours=is_ours))
    process(settings)
    assert [reason for reason, _ in left_out(settings)] == ["not_json", "not_json", "wrong_type"]
    assert totals_of(settings) == (3_004, 3_001)


def test_who_marks_what_was_never_judged_harms_nobody_else(kafka_server, tmp_path):
    """What can't be read is left out, alone; what only the rule forbids is found by `verify`, which
    believes no mark."""
    settings = installation(kafka_server, tmp_path)
    append(settings, [collected()])
    nearly = view("eve", 2).replace(b'"PAGE_VIEW"', b'"page view"')
    produce(settings, (b'{"userId":1}', MARK), (nearly, MARK), (view("eve", 1), MARK))
    process(settings)
    reasons = [reason for reason, raw in left_out(settings) if raw == b'{"userId":1}']
    assert reasons == ["processor_error"]
    assert totals_of(settings) == (3_004, 3_002)
    flags = ["--data-dir", str(settings.data_dir), "--log", settings.log]
    done = subprocess.run(
        [sys.executable, "-m", "rtcdp", "verify", *flags],
        check=False,
        env={**os.environ, "RTCDP_KAFKA_TOPIC_IS_OURS": "true"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert "3 differences: " in done.stdout
    assert "ledger 1, events_by_type 1" in done.stdout
