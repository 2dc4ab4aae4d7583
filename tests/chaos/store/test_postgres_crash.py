"""Whatever is killed, frozen or cut off, each epoch is applied exactly once.

Each epoch adds 1 to one and the same row, so that the row's count, the ledger and the epoch's
number always have to be equal.
"""

import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from deploy.servers import postgresql
from rtcdp.engines.commit import RetryPolicy, commit_for_sure
from rtcdp.store import EpochRefused, LeaseHeld, StoreUnavailable
from rtcdp.store.postgres import PostgresStore
from rtcdp.testing.epochs import EpochMaker
from tests.chaos.store.cutting_proxy import CuttingProxy
from tests.chaos.store.moving_row import METRIC, STAYS, counted, next_epoch
from tests.servers import unused_name

COMMITTER = "tests.chaos.store.server_committer"
ROOT = Path(__file__).parents[3]
DEADLINE_S = 180
LONG_MS = 600_000
IMPATIENT = RetryPolicy(0.1, lambda seconds: time.sleep(seconds) is not None, lambda _: None)


@pytest.fixture(scope="module")
def server():
    """A server of this module's own, which may be killed, in a folder that its user can enter."""
    with TemporaryDirectory(prefix="rtcdp-chaos-") as directory:
        Path(directory).chmod(0o755)
        with postgresql(Path(directory)) as started:
            yield started


@pytest.fixture
def url(server):
    return f"{server.url('chaos')}?schema={unused_name()}"


@pytest.fixture
def committer(url):
    """Starts another process that commits; none outlives the test."""
    started = []

    def start(holder, ttl_ms=LONG_MS):
        command = [sys.executable, "-W", "error", "-m", COMMITTER, url, holder, str(ttl_ms)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def last_said(process, count):
    """The epoch of the last of `count` commits."""
    said = [process.stdout.readline().split() for _ in range(count)]
    assert [words[0] for words in said] == ["ready"] * count, said
    return int(said[-1][1])


def persistently(step, expected=StoreUnavailable):
    """What a step gives once it no longer raises what is to be expected for a while."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            return step()
        except expected:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def held_at(url):
    """The epoch, which is what everything else in the store says as well."""
    store = PostgresStore(url, read_only=True)
    with store.snapshot() as snapshot:
        epoch = snapshot.progress.epoch
        assert snapshot.progress.next_offsets.get(0, 0) == epoch
        assert counted(snapshot) == epoch
        assert snapshot.ledger_totals()["received"] == epoch
    store.close()
    return epoch


def test_a_process_killed_while_committing_leaves_whole_epochs(url, committer):
    seed = random.randrange(2**32)
    lengths = random.Random(seed)
    last = 0
    for _ in range(4):
        process = committer("one and the same")
        acknowledged = last_said(process, lengths.randrange(1, 40))
        process.kill()
        process.wait()
        last = persistently(lambda: held_at(url))
        assert last >= acknowledged, f"seed {seed}"


def test_a_server_killed_under_commits_has_each_epoch_once(server, url, committer):
    seed = random.randrange(2**32)
    pauses = random.Random(seed)
    process = committer("a")
    acknowledged = last_said(process, 5)
    for _ in range(3):
        time.sleep(pauses.uniform(0, 0.1))
        server.kill()
        server.start()
        assert held_at(url) >= acknowledged, f"seed {seed}"
        acknowledged = last_said(process, 20)
    process.kill()
    process.wait()
    assert persistently(lambda: held_at(url)) >= acknowledged, f"seed {seed}"


def test_a_frozen_server_is_given_up_and_found_again(server, url):
    store = PostgresStore(url, answer_timeout_s=0.5)
    store.prepare([METRIC], [STAYS])
    epochs = EpochMaker()
    store.commit(next_epoch(epochs))
    epoch = next_epoch(epochs)
    server.pause()
    try:
        started = time.monotonic()
        with pytest.raises(StoreUnavailable, match="silent"):
            store.commit(epoch)
        with pytest.raises(StoreUnavailable):
            store.progress()
        assert time.monotonic() - started < 20
    finally:
        server.resume()
    commit_for_sure(store, epoch, IMPATIENT)
    store.close()
    assert held_at(url) == 2


def test_a_server_frozen_in_the_midst_of_commits_has_each_epoch_once(server, url, committer):
    process = committer("a")
    acknowledged = last_said(process, 3)
    for _ in range(2):
        server.pause()
        # Longer than the committer waits for an answer.
        time.sleep(2.5)
        server.resume()
        acknowledged = last_said(process, 20)
    process.kill()
    process.wait()
    assert persistently(lambda: held_at(url)) >= acknowledged


@pytest.fixture
def proxy(server):
    between = CuttingProxy(server.port)
    yield between
    between.close()


@pytest.fixture
def store(server, url, proxy):
    """A store behind the proxy, after its first epoch."""
    address = url.replace(f":{server.port}/", f":{proxy.port}/")
    opened = PostgresStore(f"{address}&sslmode=disable&gssencmode=disable")
    opened.prepare([METRIC], [STAYS])
    opened.commit(next_epoch(EpochMaker()))
    yield opened
    opened.close()


@pytest.fixture
def epochs():
    """Makes what follows the first epoch."""
    return EpochMaker(number=1, next_offset=1)


@pytest.mark.parametrize(("cut", "epoch_after"), [("before", 1), ("after", 2)])
def test_a_line_cut_at_a_commit_leaves_the_outcome_unknown(
    store, epochs, proxy, url, cut, epoch_after
):
    proxy.cut_next_commit(cut)
    with pytest.raises(StoreUnavailable):
        store.commit(next_epoch(epochs))
    assert proxy.cuts == 1
    assert held_at(url) == epoch_after


def test_an_unknown_outcome_is_looked_up_before_it_is_tried_again(store, epochs, proxy, url):
    for cuts, cut in enumerate(("after", "before") * 4, start=1):
        proxy.cut_next_commit(cut)
        commit_for_sure(store, next_epoch(epochs), IMPATIENT)
        assert proxy.cuts == cuts
        assert held_at(url) == cuts + 1


def test_a_second_processor_is_refused(committer):
    first = committer("a")
    last_said(first, 3)
    second = committer("b")
    assert second.stdout.readline() == "held\n"
    last_said(first, 3)


def test_one_that_slept_through_its_lease_writes_no_more(url, committer):
    first = committer("a", ttl_ms=1000)
    last_said(first, 5)
    first.send_signal(signal.SIGSTOP)
    # A transaction that it was frozen in has to be given up by the server first.
    heir = PostgresStore(url)
    persistently(
        lambda: heir.acquire_lease("heir", time.time_ns() // 1_000_000, LONG_MS),
        (StoreUnavailable, LeaseHeld),
    )
    heir.prepare([METRIC], [STAYS])
    progress = heir.progress()
    epochs = EpochMaker(number=progress.epoch, next_offset=progress.next_offsets[0])
    heir.commit(next_epoch(epochs))
    first.send_signal(signal.SIGCONT)
    assert first.stdout.read().split()[-1] == "lost"
    heir.commit(next_epoch(epochs))
    heir.close()
    assert held_at(url) == progress.epoch + 2


def test_takers_and_committers_never_both_win(url):
    """Two that take the lease from each other all the time: no epoch is lost or applied twice."""
    committed, stop = [], threading.Event()

    def contend(holder):
        store = PostgresStore(url)
        while not stop.is_set():
            try:
                held = store.acquire_lease(holder, now_ms=len(committed), ttl_ms=0)
                store.prepare([METRIC], [STAYS])
                progress = store.progress()
                done = progress.epoch
                epochs = EpochMaker(number=done, next_offset=progress.next_offsets.get(0, 0))
                for _ in range(3):
                    store.commit(next_epoch(epochs))
                    committed.append((held.token, epochs.number))
            except (StoreUnavailable, LeaseHeld, EpochRefused):
                continue
        store.close()

    rivals = [threading.Thread(target=contend, args=(name,)) for name in "ab"]
    for rival in rivals:
        rival.start()
    deadline = time.monotonic() + DEADLINE_S
    while len(committed) < 60 and time.monotonic() < deadline:
        time.sleep(0.01)
    stop.set()
    for rival in rivals:
        rival.join()
    assert sorted(number for _, number in committed) == list(range(1, len(committed) + 1))
    assert len({token for token, _ in committed}) > 2
    assert held_at(url) == len(committed)
