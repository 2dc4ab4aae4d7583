"""A healthy client under attack: nothing of it is lost, it is answered, and memory stays bounded.

Two thousand events a second come in over one connection while each attack goes on.
"""

import resource
import time

import httpx
import pytest

from tests.chaos.edge.attacked import HealthyClient, eventually, percentile_99, platform
from tests.chaos.edge.attacks import ATTACKS

MEMORY_BYTES = 128 * 2**20
HEALTH_S = 30.0


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with platform(tmp_path_factory.mktemp("edge") / "data") as running:
        yield running


@pytest.fixture
def healthy(running):
    client = HealthyClient(running.port, user=f"healthy-{time.monotonic_ns()}")
    client.start()
    eventually(lambda: len(client.latencies_s) > 50, "the healthy client is under way")
    yield client
    client.stop()


def counts(running) -> dict[str, int]:
    return running.get("/api/ledger")["totals"]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_a_healthy_client_does_not_notice(running, healthy, size, attack) -> None:
    calm = healthy.measured(size.seconds if size.measures else 0.5)
    memory = running.resident_bytes()
    with attack(running.port, size.connections) as answers:
        under_attack = healthy.measured(size.seconds)
        alive = httpx.get(f"{running.url}/health/live", trust_env=False, timeout=HEALTH_S)
        used = running.resident_bytes() - memory
    healthy.stop()
    assert alive.status_code == 200
    assert healthy.refusals == []
    assert used <= MEMORY_BYTES
    for status, content_type in answers:
        assert status < 500, status
        assert status < 400 or content_type == "application/problem+json"
    if size.measures:
        assert percentile_99(under_attack) <= 2 * percentile_99(calm)
    eventually(lambda: healthy.counted(running) == healthy.sent, "every event is counted")
    totals = counts(running)
    verdicts = ("admitted", "duplicate", "late", "dead_letter")
    assert totals["received"] == sum(totals[verdict] for verdict in verdicts)
