# ruff: noqa: S608 - the tests' own SQL
"""Whoever reads a store's views with SQL reads what the API says, row by row.

The views are read as any program would: by the database's own client, from outside.
"""

import json
import random
import subprocess
import sys
from dataclasses import replace
from datetime import UTC

import psycopg
import pytest
from psycopg.rows import dict_row

from rtcdp.admission.rules import AdmissionRules
from rtcdp.answers.instant import EARLIEST
from rtcdp.answers.windows import MAX_PAGE, WindowQuery, windows
from rtcdp.catalog.catalog import load_catalog
from rtcdp.clock import ManualClock
from rtcdp.definitions import (
    DISTINCT_EXACT_UP_TO,
    TOP_EXACT_UP_TO,
    Average,
    Calendar,
    Compare,
    Count,
    Distinct,
    First,
    Last,
    Maximum,
    Metric,
    Minimum,
    Property,
    Quantile,
    Ratio,
    StandardDeviation,
    Sum,
    TopK,
    Variance,
    Window,
    sliding,
    tables_of,
    tumbling,
)
from rtcdp.definitions.enrichment import stored_metrics
from rtcdp.definitions.products import PRODUCT_TABLES
from rtcdp.engines.native.processor import Processor
from rtcdp.engines.products import ProductUpdates
from rtcdp.log.contract import Delivery
from rtcdp.store.postgres import PostgresStore
from rtcdp.store.sql.views import snake_case_of
from rtcdp.testing.epochs import EpochMaker, change
from rtcdp.testing.memory_log import MemoryLog
from tests.by_category import METRICS as BY_CATEGORY
from tests.by_category import traffic

STORES = ("postgresql", "sqlite")
"""MongoDB has no SQL."""

RULES = AdmissionRules()
LATENESS_MS = RULES.allowed_lateness_ms
START_MS = 1_767_225_600_000

EVERY_MEASURE = (
    Count("events"),
    Count("large", where=Compare("value", ">", 10)),
    Sum("total"),
    Average("mean"),
    Minimum("low"),
    Maximum("high"),
    Variance("variance"),
    StandardDeviation("deviation"),
    Distinct("users", "userId"),
    TopK("pages", "pageUrl", k=3),
    First("first_page", "pageUrl"),
    Last("last_value", "value"),
    Quantile("p95", 0.95),
    Ratio("share", of="large", to="events"),
    Ratio("per_user", of="total", to="users"),
)
SHAPES = (
    Metric("written_out", "W", tumbling(minutes=1), EVERY_MEASURE, ("pageUrl", "userId")),
    Metric("overlapping", "O", sliding(size_seconds=60, every_seconds=30), EVERY_MEASURE),
    Metric("in_panes", "P", sliding(size_seconds=60, every_seconds=1), EVERY_MEASURE, ("source",)),
    Metric("odd_panes", "D", sliding(size_seconds=60, every_seconds=7), EVERY_MEASURE),
    Metric("by_day", "B", Calendar("day", "Europe/Berlin"), EVERY_MEASURE, (Property("country"),)),
    Metric("millis", "M", Window(1500, 250), (Count("events"),), ("eventType",)),
)
TEXTS = ("/a", "/b'c", "ü…#", 'say "hi"', "/" + 900 * "語")
ROUNDED = {"variance", "deviation", "p95"}
"""What databases calculate in doubles, and we exactly."""


IN_SQLITE = """
import json, sqlite3, sys
reader = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
reader.row_factory = sqlite3.Row
print(json.dumps([dict(row) for row in reader.execute(sys.argv[2])]))
"""


@pytest.fixture
def select(request, store_name):
    """Asks a store with SQL from outside, as any program would; what it says of rows in dicts."""

    def in_sqlite(store, sql):
        del store
        # A process of its own: two SQLite libraries in one take each other's locks away.
        path = request.getfixturevalue("tmp_path") / "store.db"
        done = subprocess.run(
            [sys.executable, "-c", IN_SQLITE, path, sql], capture_output=True, check=True
        )
        return json.loads(done.stdout)

    def in_postgresql(store, sql):
        address = store._readers._address
        schemas = f"{address.schema}_analytics,{address.schema}"
        with (
            psycopg.connect(address.conninfo, options=f"-csearch_path={schemas}") as reader,
            reader.cursor(row_factory=dict_row) as cursor,
        ):
            return cursor.execute(sql).fetchall()

    return in_sqlite if store_name == "sqlite" else in_postgresql


def as_the_api_writes_it(metric, row):
    """A row of a view, in the API's words."""
    item = {field: row[snake_case_of(field)] for field in metric.key_names}
    for name in ("window_start", "window_end"):
        item[name] = as_text(row[name])
    for measure in metric.measures:
        value = row[measure.name]
        if isinstance(measure, TopK) and isinstance(value, str):
            value = json.loads(value)
        item[measure.name] = value
    item["final"] = bool(row["is_final"])
    if row["is_partial"]:
        item["partial"] = True
    return item


def as_text(instant):
    """A time as the API writes it; SQLite gives it so already."""
    if isinstance(instant, str):
        return instant
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def answers(store, metric):
    """All windows as the API tells them, by key and start."""
    found, query = [], WindowQuery(limit=MAX_PAGE)
    with store.snapshot() as snapshot:
        watermark = snapshot.progress.watermark(LATENESS_MS)
        final_until = EARLIEST if watermark is None else watermark
        while True:
            after = query.after
            query = WindowQuery(limit=MAX_PAGE, after=after, final_until=final_until)
            page = windows(snapshot, metric, query)
            found += page.items
            if page.after is None:
                return found
            query = WindowQuery(limit=MAX_PAGE, after=page.after)


def assert_equal(metric, rows, items):
    def key_of(item):
        return (item["window_start"], *(item[field] for field in metric.key_names))

    seen = sorted((as_the_api_writes_it(metric, row) for row in rows), key=key_of)
    expected = sorted(items, key=key_of)
    assert [key_of(item) for item in seen] == [key_of(item) for item in expected]
    for one, other in zip(seen, expected, strict=True):
        for name in ROUNDED & other.keys():
            found, exact = one.pop(name), other.pop(name)
            assert found == (None if exact is None else pytest.approx(exact, rel=1e-12, abs=1e-6))
        assert one == other


def group_rows(rng, metric, table, *, groups):
    """Random rows of a metric's table, as an engine would merge them."""
    rows = {}
    for _ in range(groups):
        start = start_of(metric, START_MS + rng.randrange(-200_000, 200_000))
        # Only what is told of pages may be long.
        key = tuple(rng.choice(TEXTS if f == "pageUrl" else TEXTS[:4]) for f in table.key)
        if table.member is not None:
            name = rng.getrandbits(64) - 2**63 if table.columns == () else rng.choice(TEXTS)
            if table.name.endswith("__p95"):
                name = str(rng.randrange(-900, 900))
            rows[start, *key, name] = tuple(rng.randrange(1, 50) for _ in table.columns)
        else:
            ends = () if metric.window.column is None else (metric.window.end_of(start),)
            rows[start, *key] = (*ends, *state_of(metric, rng))
    return [(*place, *values) for place, values in rows.items()]


def start_of(metric, instant):
    """Where the bucket begins that an event falls into."""
    window = metric.window
    if isinstance(window, Calendar):
        return window.first_open(instant + rng_days(instant))
    step = window.slide_ms if window.is_written_out else window.pane_ms
    return instant // step * step


def rng_days(instant):
    """Some days more, so that those are among them on which clocks are put forward or back."""
    return (instant % 7 - 3) * 86_400_000 * 30


def state_of(metric, rng):
    """What some events bring to a row."""
    values = (None, *(round(rng.uniform(-500, 900), 6) for _ in range(3)))
    events = [
        {"value": value, "pageUrl": rng.choice((None, *TEXTS)), "timestamp": START_MS + number}
        for number, value in enumerate(values)
    ]
    events = events[: rng.randrange(1, 5)]
    state = []
    for measure in metric.measures:
        brought = zip(*(measure.of_event(event) for event in events), strict=True)
        for part, values in zip(measure.parts(), brought, strict=True):
            known = [value for value in values if value is not None]
            merge = {"add": sum, "min": min, "max": max}[part.merge]
            state.append(merge(known) if known else None)
    return tuple(state)


@pytest.mark.parametrize("metric", SHAPES, ids=lambda metric: metric.name)
@pytest.mark.parametrize("seed", [1])
def test_views_say_what_the_api_says_after_random_epochs(open_store, select, metric, seed):
    rng, store, epochs = random.Random(seed), open_store(), EpochMaker()
    store.put_rules_in_force(RULES)
    store.prepare([metric])
    # What is added up from panes has many windows of few rows.
    most = 60 if metric.window.is_written_out else 12
    for number in range(4):
        changes = [
            change(table, *group_rows(rng, metric, table, groups=rng.randrange(1, most)))
            for table in tables_of(metric)
        ]
        received_at = START_MS + LATENESS_MS + 20_000 * (number - 2)
        store.commit(epochs.make(*changes, received_at=received_at))
        if metric.window.is_written_out or number == 3:
            items = answers(store, metric)
            assert_equal(metric, select(store, f"SELECT * FROM {metric.name}"), items)
    assert len({item["final"] for item in items}) == 2

    border = 0 if isinstance(metric.window, Calendar) else START_MS
    store.limit_completeness(metric.name, START_MS + 100_000)
    store.expire(buckets_before=border - 20_000, uncounted_before=0, offsets_before={})
    items = answers(store, metric)
    assert {"partial" in item for item in items} == {False, True}
    assert_equal(metric, select(store, f"SELECT * FROM {metric.name}"), items)


def test_views_of_the_whole_catalog_say_what_the_api_says(open_store, select):
    """All metrics of one store, as an installation has them."""
    rng, store, epochs, catalog = (
        random.Random(5),
        open_store(),
        EpochMaker(),
        stored_metrics(load_catalog()),
    )
    store.put_rules_in_force(RULES)
    store.prepare(catalog)
    for number in range(2):
        changes = [
            change(table, *group_rows(rng, metric, table, groups=12))
            for metric in catalog
            for table in tables_of(metric)
        ]
        store.commit(epochs.make(*changes, received_at=START_MS + LATENESS_MS + number))
    store.keep_quiet({0: START_MS + LATENESS_MS + 90_000})
    for metric in catalog:
        items = answers(store, metric)
        assert len(items) > 1, metric.name
        assert_equal(metric, select(store, f"SELECT * FROM {metric.name}"), items)


def test_views_by_category_say_what_the_api_says(open_store, select):
    """As of each event's time; what comes late changes what they say."""
    store, log, updates = open_store(), MemoryLog(), MemoryLog()
    events, said = traffic(random.Random(8))
    long = {"productId": "語" * 256, "category": "long", "validFrom": START_MS - 90_000}
    events += [
        {**event, "eventId": None, "eventType": "PURCHASE", **long, "timestamp": at}
        for at, event in enumerate(events[:3], long["validFrom"] - 1)
    ]
    processor = Processor(log, store, BY_CATEGORY, RULES, ManualClock(START_MS))
    processor.products = ProductUpdates(updates, store)
    processor.recover()
    for stream, facts in ((updates, said[1:]), (log, events), (updates, [long, *said[:1]])):
        lines = b"".join(json.dumps(fact).encode() + b"\n" for fact in facts)
        stream.append([Delivery(lines, len(facts), START_MS)])
        while processor.step():
            pass
        processor.products.step()
    for metric in BY_CATEGORY:
        items = answers(store, metric)
        assert len({item["category"] for item in items}) > 2
        assert_equal(metric, select(store, f"SELECT * FROM {metric.name}"), items)
    changed = replace(BY_CATEGORY[0], measures=(Count("sales"),))
    store.prepare(stored_metrics([changed]), PRODUCT_TABLES)
    assert select(store, f"SELECT SUM(sales) AS sales FROM {changed.name}") == [{"sales": None}]


@pytest.mark.parametrize("window", [tumbling(minutes=1), sliding(size_seconds=5, every_seconds=1)])
def test_views_are_right_beyond_exact_bounds(open_store, select, window):
    measures = (Distinct("users", "userId"), TopK("pages", "pageUrl", k=5))
    metric = Metric("many", "Many", window, measures, key=("source",))
    buckets, members, items = tables_of(metric)
    rng, store, epochs = random.Random(3), open_store(), EpochMaker()
    store.prepare([metric])
    for source, size in (
        ("exact", DISTINCT_EXACT_UP_TO - 1),
        ("edge", DISTINCT_EXACT_UP_TO),
        ("estimated", 3 * DISTINCT_EXACT_UP_TO),
        ("one above", DISTINCT_EXACT_UP_TO + 1),
    ):
        panes = [START_MS, START_MS + 1000] if not window.is_written_out else [START_MS]
        hashes = [rng.getrandbits(64) - 2**63 for _ in range(size)]
        store.commit(
            epochs.make(
                change(buckets, *((pane, source) for pane in panes)),
                change(members, *((rng.choice(panes), source, number) for number in hashes)),
                change(
                    items,
                    *(
                        (rng.choice(panes), source, f"/{n}", rng.randrange(1, 9))
                        for n in range(2 * TOP_EXACT_UP_TO + 500 if source == "edge" else 50)
                    ),
                ),
            )
        )
    found = answers(store, metric)
    estimated = {item["users"] for item in found if item["source"] == "estimated"}
    assert max(estimated) == pytest.approx(3 * DISTINCT_EXACT_UP_TO, rel=0.06)
    assert_equal(metric, select(store, f"SELECT * FROM {metric.name}"), found)


def test_views_of_an_unfinished_metric_are_partial(open_store, select):
    metric, store = SHAPES[-1], open_store()
    store.prepare([])
    store.commit(EpochMaker().make())
    store.prepare([metric])
    (table,) = tables_of(metric)
    store.commit_backfill(metric.name, [change(table, (0, "A", 1))], {0: 1}, complete=False)
    assert {row["is_partial"] for row in select(store, f"SELECT * FROM {metric.name}")} == {True}
    store.commit_backfill(metric.name, [], {0: 1}, complete=True)
    assert {row["is_partial"] for row in select(store, f"SELECT * FROM {metric.name}")} == {False}


def test_the_specification_s_names_answer(open_store, select):
    store = open_store()
    (metric,) = [m for m in load_catalog() if m.name == "user_page_view_counts"]
    store.prepare([metric])
    (table,) = tables_of(metric)
    store.commit(EpochMaker().make(change(table, (START_MS, "ada", 3))))
    columns = "window_start, window_end, page_view_count"
    place = "user_page_view_counts"
    if isinstance(store, PostgresStore):
        place = f"{store._readers._address.schema}.{place}"
    for name in ("userId", '"userId"'):
        (row,) = select(store, f"SELECT {name}, {columns} FROM {place}")
        user, start, end, count = row.values()
        assert (user, count) == ("ada", 3)
        assert as_text(start) == "2026-01-01T00:00:00.000Z"
        assert as_text(end) == "2026-01-01T00:01:00.000Z"
