"""Several processors count one log, each its own partitions, into one PostgreSQL store.

However the partitions are divided, whoever comes first, and wherever a shard is handed over: the
store holds what one processor makes of the log.
"""

import random
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import msgspec
import numpy as np
import polars as pl
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from rtcdp.admission.rules import AdmissionRules
from rtcdp.answers.freshness import Installation as Answered
from rtcdp.answers.shards import awaited
from rtcdp.api.context import ApiContext
from rtcdp.api.problem import exception_handlers
from rtcdp.api.routes import api_routes
from rtcdp.catalog.catalog import load_catalog, load_folds
from rtcdp.clock import ManualClock
from rtcdp.dashboard.routes import dashboard_routes
from rtcdp.definitions.enrichment import stored_metrics
from rtcdp.engines.commit import Listeners
from rtcdp.engines.folding import Folding
from rtcdp.engines.native.limits import ProcessorLimits
from rtcdp.engines.native.processor import Processor
from rtcdp.engines.native.shard import Part, ShardProcessor
from rtcdp.engines.notices import noticed, tables_beside
from rtcdp.engines.upkeep import Keeping, Upkeep
from rtcdp.errors import PartMissing
from rtcdp.log.contract import Delivery
from rtcdp.log.keying import partitions_of_keys
from rtcdp.runtime.diagnosis import diagnose
from rtcdp.runtime.processes.leases import name_of_this_process
from rtcdp.runtime.processing.shards import ShardedProcessor
from rtcdp.runtime.settings import Settings
from rtcdp.runtime.user_data.over_http import InstallationUserData
from rtcdp.runtime.user_data.requests import ErasureRequests
from rtcdp.store import LeaseHeld, LeaseLost, StoreUnavailable
from rtcdp.store.divided import DivisionChanged, MisplacedUser, ShardsClosed
from rtcdp.store.division import Division
from rtcdp.store.postgres import PostgresStore
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.driver import differing, dump
from rtcdp.testing.memory_log import MemoryLog
from rtcdp.testing.traffic import START_MS, Traffic

PARTITIONS = 6
RULES = AdmissionRules()
METRICS = stored_metrics(load_catalog())
FOLDS = tuple(load_folds())
TRAFFIC = Traffic(2_000, users=40, request_lines=150)
TTL_MS = 60_000


@pytest.fixture(scope="module")
def parts():
    """The traffic in four parts, each a list of (partition, delivery), in the order of intake."""
    chance = random.Random(1)
    placed = [each for delivery in TRAFFIC.deliveries() for each in spread(delivery, chance)]
    size = -(-len(placed) // 4)
    return [placed[first : first + size] for first in range(0, len(placed), size)]


def spread(delivery, chance):
    """A delivery as a collector gives it to a topic: by user, and what is no event anywhere."""
    lines = delivery.lines.splitlines(keepends=True)
    users = [msgspec.json.decode(line)["userId"] for line in lines]
    places = partitions_of_keys(pl.Series(users, dtype=pl.String), PARTITIONS)
    for partition in range(PARTITIONS):
        own = [lines[row] for row in np.flatnonzero(places == partition)]
        if own:
            yield partition, of_lines(own, delivery.received_at)
    for _, raw in delivery.rejects:
        alone = Delivery(b"", 0, delivery.received_at, "shop", rejects=((0, raw),))
        yield chance.randrange(PARTITIONS), alone


def of_lines(lines, received_at):
    return Delivery(b"".join(lines), len(lines), received_at, "shop")


class Installation:
    """A log in memory, a store on PostgreSQL, and the processors of its shards."""

    def __init__(self, url, chance, metrics, folds):
        self.metrics, self.folds = metrics, folds
        self.log = MemoryLog(lambda: chance.choice([20, 200]), partitions=PARTITIONS)
        self.clock = ManualClock(START_MS)
        self.store = PostgresStore(url)
        self.caretaker = self.store.caretaker()
        self.caretaker.acquire_lease("caretaker", START_MS, TTL_MS)
        self._open = ExitStack()

    def divide(self, shards):
        """Divide the store anew, as its caretaker does; gives the processors of the shards."""
        division = Division(shards, PARTITIONS)
        tables = (*Folding(self.folds, self.caretaker).tables, *tables_beside(self.folds))
        self.caretaker.close_shards(division)
        self.caretaker.prepare(self.metrics, tables)
        self.caretaker.put_rules_in_force(RULES)
        self.caretaker.open_shards(dict.fromkeys(range(PARTITIONS), 0))
        return [self.taken(shard, division) for shard in range(shards)]

    def taken(self, shard, division, holder="one"):
        """The processor of a shard, which has its lease."""
        store = self._open.enter_context(closing(self.store.shard(shard)))
        store.acquire_lease(holder, START_MS, TTL_MS)
        part = Part(shard, division, self.log, store)
        processor = ShardProcessor(part, self.metrics, RULES, self.clock, ProcessorLimits())
        processor.folds = self.folds
        processor.recover()
        return processor

    def close(self):
        self._open.close()
        self.caretaker.close()
        self.store.close()


@pytest.fixture
def installation(postgres_schema_url):
    """With little to count."""
    chosen = METRICS[:1], FOLDS[:1]
    with closing(Installation(postgres_schema_url, random.Random(2), *chosen)) as made:
        yield made


@pytest.fixture
def whole_installation(postgres_schema_url):
    """With all that is in the catalog."""
    with closing(Installation(postgres_schema_url, random.Random(2), METRICS, FOLDS)) as made:
        yield made


def test_any_division_gives_the_numbers_of_one_processor(whole_installation, parts, tmp_path):
    installation = whole_installation
    chance = random.Random(3)
    for placed, shards in zip(parts, (2, 5, 3, 1), strict=True):
        processors = None
        if shards > 1:
            processors = installation.divide(shards)
        for partition, delivery in placed:
            installation.log.append([delivery], partition)
            if processors and chance.random() < 0.3:
                chance.choice(processors).step()
        if processors is None:
            installation.caretaker.release_lease()
            for shard in range(3):
                release(installation, shard)
            installation.store.acquire_lease("whole", START_MS, TTL_MS)
            processors = [whole(installation.log, installation.store, installation.clock)]
        drain(processors)
    with closing(SqliteStore(tmp_path / "one.db")) as one:
        processor = whole(installation.log, one, installation.clock)
        while processor.step():
            pass
        expected = dump(one, METRICS, folds=FOLDS)
    assert expected["ledger"]["received"].sum() > TRAFFIC.lines * 0.9
    assert differing(expected, dump(installation.store, METRICS, folds=FOLDS)) == []


def drain(processors):
    """Let all processors catch up, at the same time."""

    def work(processor):
        while processor.step():
            pass

    with ThreadPoolExecutor(len(processors)) as threads:
        list(threads.map(work, processors))


def release(installation, shard):
    """End the lease of a shard whose processor has stopped."""
    with closing(installation.store.shard(shard)) as store:
        store.acquire_lease("one", START_MS, TTL_MS)
        store.release_lease()


def whole(log, store, clock):
    processor = Processor(log, store, METRICS, RULES, clock)
    processor.folds = FOLDS
    processor.recover()
    return processor


def test_whoever_follows_rows_hears_of_every_shard(installation, parts):
    for placed in parts[:2]:
        for partition, delivery in placed:
            installation.log.append([delivery], partition)
    processors = installation.divide(3)
    drain(processors)
    with installation.store.snapshot() as snapshot:
        assert snapshot.progress.epoch == sum(p.progress.epoch for p in processors)
        for fold in installation.folds:
            rows = installation.store.dump(fold.table).select(fold.primary_key)
            news = noticed(snapshot, fold, 0)
            assert news.is_whole
            assert rows.height <= news.keys.height + news.more_changed
            if not news.more_changed:
                assert rows.join(news.keys, on=fold.primary_key, how="anti").is_empty(), fold.name


def test_windows_are_final_when_every_shard_has_counted(installation):
    first, second = installation.divide(2)
    for partition in range(PARTITIONS):
        installation.log.append([event_of(user_in(partition))], partition)
    first.step()
    progress = installation.store.progress()
    assert progress.watermark(0) is None
    assert progress.all_committed_at == 0
    assert [state.epoch for state in progress.shards] == [1, 0]
    second.step()
    progress = installation.store.progress()
    assert progress.watermark(0) == START_MS
    assert progress.all_committed_at == START_MS


def event_of(user, timestamp=START_MS):
    event = {"userId": user, "eventType": "PAGE_VIEW", "timestamp": timestamp}
    return of_lines([msgspec.json.encode(event) + b"\n"], START_MS)


def test_a_shard_without_a_processor_is_told_wherever_operators_look(installation):
    processors = installation.divide(2)
    for shard in range(2):
        installation.log.append([event_of(user_in(shard))], shard)
    drain(processors)
    context = context_of(installation)
    with client_of(context) as client:
        assert shards_on(client.get("/pipeline").text) == ["counted", "counted"]
        assert client.get("/health/ready").status_code == 200
        processors[1].store.release_lease()
        installation.log.append([event_of(user_in(1))], 1)
        installation.clock.advance(context.limits.ready_stall_ms + 1)
        assert shards_on(client.get("/pipeline").text) == ["counted", "no processor"]
        assert "shard 1 has no processor" in client.get("/health/ready").json()["parts"]["lag"]
        told = client.get("/metrics").text.splitlines()
    assert 'rtcdp_shard_processors{shard="0"} 1.0' in told
    assert 'rtcdp_shard_processors{shard="1"} 0.0' in told
    assert 'rtcdp_shard_waiting_records{shard="1"} 1.0' in told


def context_of(installation):
    return ApiContext(
        Answered(installation.store, METRICS[:1], installation.clock, installation.log)
    )


def client_of(context):
    app = Litestar(
        [*api_routes(context), *dashboard_routes(context)],
        exception_handlers=exception_handlers,
        logging_config=None,
    )
    return TestClient(app)


def shards_on(page):
    """How each shard is, as the pipeline's page has it."""
    table = page[page.index('<h3 class="stretch">Shards') :]
    return re.findall(r">(counted|no processor)<", table[: table.index("</table>")])


def test_a_shard_without_events_is_waited_for_until_that_is_seen(installation):
    """And what comes in it then is decided as ever; nothing that was final changes."""
    processors = installation.divide(4)
    clock, caretaker = installation.clock, installation.caretaker
    upkeep = Upkeep(installation.log, caretaker, clock, Keeping(None, None, None, 0), print)

    def go_on(seconds):
        for _ in range(seconds):
            clock.advance(1_000)
            upkeep.look(caretaker.progress)

    def come(shard):
        event = {"userId": user_in(shard), "eventType": "PAGE_VIEW", "timestamp": clock.now_ms()}
        delivery = of_lines([msgspec.json.encode(event) + b"\n"], clock.now_ms())
        installation.log.append([delivery], shard)

    come(0)
    processors[0].step()
    assert awaited(installation.store.progress()) == (1, 2, 3)
    come(2)
    go_on(40)
    # What waits there may be from before: the others are known to be empty.
    assert awaited(installation.store.progress()) == (2,)
    assert installation.store.progress().watermark(0) is None
    processors[2].step()
    go_on(40)
    progress = installation.store.progress()
    assert awaited(progress) == ()
    assert progress.watermark(0) == START_MS
    assert progress.all_committed_at == START_MS
    come(0)
    processors[0].step()
    go_on(40)
    until = installation.store.progress().watermark(0)
    assert until == START_MS + 80_000
    come(1)
    processors[1].step()
    progress = installation.store.progress()
    assert progress.watermark(0) == until
    assert progress.max_received_at[1] == clock.now_ms()
    with installation.store.snapshot() as snapshot:
        assert snapshot.ledger_totals()["admitted"] == 4


def test_a_shard_that_keeps_all_from_becoming_final_is_named(
    installation, postgres_schema_url, tmp_path
):
    processors = installation.divide(4)
    settings = Settings(data_dir=tmp_path, store=postgres_schema_url, port=0)
    said = {}
    with client_of(context_of(installation)) as client:
        for counted in ((), (0, 3), (1,), (2,)):
            for shard in counted:
                installation.log.append([event_of(user_in(shard))], shard)
                processors[shard].step()
            found = diagnose(settings, {}, installation.clock)
            odd = [each.fact for each in found if "becomes final" in each.fact]
            page = re.search("held back by [^<]*yet", client.get("/pipeline").text)
            said[counted] = (page and page[0], odd)
    assert said[0, 3] == (
        "held back by shards 1, 2, which have no event yet",
        ["1, 2 of 4 have no event yet, so nothing becomes final"],
    )
    assert said[1,][0] == "held back by shard 2, which has no event yet"
    assert said[2,] == (None, [])


def test_nobody_is_erased_while_processors_share_the_work(
    installation, postgres_schema_url, tmp_path
):
    installation.divide(2)
    settings = Settings(data_dir=tmp_path, store=postgres_schema_url)
    asked = InstallationUserData(settings, installation.clock)
    # As when one that counted alone has just given way to them.
    ErasureRequests(tmp_path, installation.clock).show_taker()
    with pytest.raises(PartMissing, match="processors of shards are at work") as refused:
        asked.erase("ada", "key 1")
    assert refused.value.hint == "stop all of them, then run rtcdp users erase"
    later = ManualClock(START_MS + 2 * TTL_MS)
    with pytest.raises(PartMissing, match="this server's data folder"):
        InstallationUserData(settings, later).erase("ada", "key 1")


def test_a_user_in_another_shard_is_refused_and_nothing_is_counted(installation):
    first, _ = installation.divide(2)
    own, other = event_of(user_in(0)), event_of(user_in(1))
    installation.log.append([own, own, other], 0)
    with pytest.raises(MisplacedUser, match="offset 2 of partition 0"):
        first.step()
    assert installation.store.progress().epoch == 0


def test_who_lost_a_shard_can_not_write_to_it(installation):
    paused, _ = installation.divide(2)
    installation.log.append([event_of(user_in(0))], 0)
    with pytest.raises(LeaseHeld):
        installation.taken(0, Division(2, PARTITIONS), holder="another")
    token = installation.store.shards().states[0].token
    with closing(installation.store.shard(0)) as store:
        store.acquire_lease("another", START_MS, TTL_MS, over=token)
    with pytest.raises(LeaseLost):
        paused.step()
    with pytest.raises(LeaseHeld):
        installation.store.acquire_lease("whole", START_MS, TTL_MS)
    assert installation.store.progress().epoch == 0


def user_in(partition):
    """A user whose records belong there."""
    users = pl.Series([f"user_{n}" for n in range(50)])
    return users[int(np.flatnonzero(partitions_of_keys(users, PARTITIONS) == partition)[0])]


def test_no_shard_is_counted_while_the_store_is_made_ready(installation):
    processor, _ = installation.divide(2)
    installation.caretaker.close_shards(Division(2, PARTITIONS))
    installation.log.append([event_of("user_0")], 0)
    with pytest.raises(LeaseLost):
        processor.recover()
    with pytest.raises(ShardsClosed), closing(installation.store.shard(0)) as store:
        store.acquire_lease("one", START_MS, TTL_MS)


def test_more_partitions_need_another_division(installation):
    installation.divide(2)
    with pytest.raises(DivisionChanged):
        installation.taken(0, Division(2, PARTITIONS + 1))


@pytest.mark.parametrize(
    ("own", "says"),
    [
        ({"shards": 4}, "divided into 2 shards, and processor.shards here is 4"),
        ({"metrics": METRICS[:2]}, "other definitions of metrics and folds"),
        ({"rules": AdmissionRules(dedup_window_ms=1_000)}, "other admission rules"),
    ],
)
def test_who_can_count_no_shard_says_so_and_has_no_share(
    installation, postgres_schema_url, own, says
):
    installation.divide(2)
    installation.caretaker.release_lease()
    installation.store.report_member("another", START_MS, TTL_MS)
    settings = Settings(
        log="kafka://127.0.0.1:1/nobody_reads_it",
        store=postgres_schema_url,
        processor=ProcessorLimits(shards=own.get("shards", 2)),
        admission=own.get("rules", RULES),
    )
    metrics = own.get("metrics", installation.metrics)
    processor = ShardedProcessor(
        settings, installation.store, installation.clock, metrics, installation.folds
    )
    said, stop = [], threading.Event()

    def hear(sentence):
        said.append((sentence, *installation.store.shards().members))
        stop.set()

    processor.listeners = Listeners(on_trouble=hear)
    late = threading.Timer(15, stop.set)
    late.start()
    processor.run(stop)
    late.cancel()
    [(sentence, *members)] = said
    assert says in sentence
    assert members == ["another"]
    # Nor does it look after the store, which would make it otherwise than the others have it.
    shards = installation.store.shards()
    assert shards.is_open
    assert shards.division.shards == 2
    assert shards.caretaker != name_of_this_process()


def test_who_has_no_shard_says_too_that_the_store_is_back(
    installation, postgres_schema_url, monkeypatch
):
    installation.divide(2)
    settings = Settings(
        log="kafka://127.0.0.1:1/nobody_reads_it",
        store=postgres_schema_url,
        processor=ProcessorLimits(shards=2),
        admission=RULES,
    )
    store, shards = installation.store, installation.store.shards
    processor = ShardedProcessor(
        settings, store, installation.clock, installation.metrics, installation.folds
    )
    said, stop = [], threading.Event()

    def away():
        monkeypatch.setattr(store, "shards", shards)
        raise StoreUnavailable("it is away", "")

    def back():
        said.append("back")
        stop.set()

    monkeypatch.setattr(store, "shards", away)
    processor.listeners = Listeners(on_trouble=said.append, on_back=back)
    late = threading.Timer(15, stop.set)
    late.start()
    processor.run(stop)
    late.cancel()
    assert said == ["it is away; trying again", "back"]
