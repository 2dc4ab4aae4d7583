"""Two collectors and two processors that share a log in shards, on Kafka and PostgreSQL: one of the
four is killed at random, again and again, while clients send. Nothing is lost, nothing counts
twice, and every table is that of one undisturbed processor.
"""

import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace

import httpx
import msgspec
import pytest

from rtcdp.clock import SystemClock
from rtcdp.runtime.parts import folds_of, log_reader, metrics_of, store_of
from rtcdp.runtime.processes.ports import is_listening
from rtcdp.runtime.processing import processor_of
from rtcdp.runtime.settings import Settings
from rtcdp.sources.synthetic.bulk import START_MS, bench_events
from rtcdp.store import StoreUnavailable
from rtcdp.testing.driver import differing, dump
from tests.asked import NO_CERTIFICATES
from tests.chaos.judging import judged
from tests.chaos.started import StartedPart
from tests.chaos.test_kill_nine import eventually, free_port
from tests.scale import scaled

RUN_S = scaled(8, chaos=600)
EVENTS_PER_S = 1_500
USERS = scaled(200, chaos=20_000)
"""So many that none has thousands of events, whose story an independent count takes long for."""
PARTITIONS = 6
SHARDS = 2
SOON_S = 3.0
"""How long a victim stays dead at most."""

PATIENCE_S = 60
VARIABLES = {"RTCDP_PROCESSOR_SHARDS": str(SHARDS), "RTCDP_PROCESSOR_LEASE_TTL_S": "6"}


class Client(threading.Thread):
    """Sends batches of events to any of the collectors, each until one has acknowledged it."""

    def __init__(self, ports: Sequence[int], seed: int) -> None:
        super().__init__(daemon=True)
        self._ports = ports
        self._chance = random.Random(seed)
        self._seed = seed
        self.acknowledged: set[str] = set()
        self.over = threading.Event()

    def run(self) -> None:
        number = 0
        while not self.over.is_set():
            began = time.monotonic()
            start_ms = START_MS + number * 60_000
            made = bench_events(
                EVENTS_PER_S // 4, users=USERS, seed=self._seed + number, start_ms=start_ms
            )
            events = [msgspec.json.decode(line) for line in b"".join(made).splitlines()]
            for place, event in enumerate(events):
                event["eventId"] = f"{self._seed}-{number}-{place}"
            number += 1
            self._send(events)
            if self._chance.random() < 0.2:
                self._send(events[: len(events) // 2])
            self.over.wait(max(0.0, 0.5 - (time.monotonic() - began)))

    def _send(self, events: list[dict[str, object]]) -> None:
        body = b"\n".join(msgspec.json.encode(event) for event in events)
        while True:
            port = self._chance.choice(self._ports)
            with suppress(httpx.HTTPError):
                answer = httpx.post(
                    f"http://127.0.0.1:{port}/v1/import",
                    content=body,
                    headers={"Content-Type": "application/x-ndjson"},
                    timeout=20,
                    verify=NO_CERTIFICATES,
                )
                if answer.is_success:
                    self.acknowledged |= {str(event["eventId"]) for event in events}
                    return
            time.sleep(0.05)


@pytest.fixture
def settings(tmp_path, kafka_server, new_topic, postgres_url) -> Settings:
    return Settings(
        data_dir=tmp_path / "data",
        log=kafka_server.url(new_topic(PARTITIONS)),
        store=postgres_url,
    )


@pytest.fixture
def ports() -> tuple[int, int]:
    """Where the collectors listen."""
    return free_port(), free_port()


@pytest.fixture
def platform(settings, ports, tmp_path) -> Iterator[dict[str, StartedPart]]:
    """Two collectors and two processors."""

    def part(command: str, number: int, *flags: str) -> StartedPart:
        own = replace(settings, data_dir=tmp_path / f"{command}_{number}")
        output = tmp_path / f"{command}_{number}.txt"
        return StartedPart(own, command, output, VARIABLES, flags)

    parts = {
        **{f"collector_{n}": part("collect", n, "--port", str(p)) for n, p in enumerate(ports)},
        **{f"processor_{n}": part("process", n) for n in range(2)},
    }
    with ExitStack() as stack:
        for each in parts.values():
            stack.callback(each.end, PATIENCE_S)
        for each in parts.values():
            each.start()
        yield parts


def test_two_collectors_and_two_shards_and_one_of_them_killed(settings, ports, platform, tmp_path):
    chance = random.Random(7)
    eventually(
        lambda: all(is_listening("127.0.0.1", port) for port in ports),
        "both collectors answer",
    )
    eventually(lambda: len(holders(settings)) == 2, "each processor has a shard")
    clients = [Client(ports, seed) for seed in range(2)]
    for client in clients:
        client.start()
    ends = time.monotonic() + RUN_S
    victims = list(platform)
    while time.monotonic() < ends:
        time.sleep(chance.uniform(0.3, 2.0))
        name = victims.pop(0) if victims else chance.choice(list(platform))
        # It ends by nobody's hand but ours.
        assert not platform[name].has_ended, platform[name].said
        platform[name].kill()
        time.sleep(chance.uniform(0, SOON_S))
        platform[name].start()
    for client in clients:
        client.over.set()
    for client in clients:
        client.join(60)
        assert not client.is_alive()
    eventually(lambda: all_is_counted(settings), "everything is counted")
    eventually(lambda: len(holders(settings)) == 2, "each processor has a shard again")
    for part in platform.values():
        part.end(PATIENCE_S)
    acknowledged = {each for client in clients for each in client.acknowledged}
    admitted = totals(settings)["admitted"]
    assert acknowledged <= ids_in_log(settings)
    assert admitted == len(ids_in_log(settings))
    assert judged(settings) == []
    alone = replace(settings, data_dir=tmp_path / "alone", store="")
    in_one_process = replace(
        settings,
        store=f"{settings.store}?schema=again",
        processor=replace(settings.processor, shards=3),
    )
    for each in (alone, in_one_process):
        with processor_of(each, SystemClock()) as processor:
            processor.run(threading.Event(), once=True)
    assert differing(dump_of(alone), dump_of(settings)) == []
    assert differing(dump_of(alone), dump_of(in_one_process)) == []


def holders(settings: Settings) -> set[str]:
    """Which processors have shards now."""
    now_ms = SystemClock().now_ms()
    with suppress(StoreUnavailable), store_of(settings, read_only=True) as store:
        return {each.holder for each in store.progress().shards if each.is_held(now_ms)}
    return set()


def all_is_counted(settings: Settings) -> bool:
    with log_reader(settings) as log, store_of(settings, read_only=True) as store:
        counted = store.progress().next_offsets
        ends = [log.extent(partition) for partition in log.partitions()]
        return all(counted.get(each.partition, 0) == each.next_offset for each in ends)


def totals(settings: Settings) -> dict[str, int]:
    with store_of(settings, read_only=True) as store, store.snapshot() as snapshot:
        return snapshot.ledger_totals()


def ids_in_log(settings: Settings) -> set[str]:
    found = set()
    with log_reader(settings) as log:
        for partition in log.partitions():
            offset, end = 0, log.extent(partition).next_offset
            while offset < end:
                records = log.read(partition, offset, 2**24)
                found |= {msgspec.json.decode(line)["eventId"] for line in records.lines.split()}
                offset = records.next_offset
    return found


def dump_of(settings: Settings):
    with store_of(settings, read_only=True) as store:
        return dump(store, metrics_of(settings), folds=folds_of(settings))
