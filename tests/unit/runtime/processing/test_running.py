import logging
import threading
import time
from dataclasses import replace

import pytest

from rtcdp.answers.windows import WindowQuery, windows
from rtcdp.catalog.catalog import load_catalog, load_folds
from rtcdp.clock import SystemClock
from rtcdp.definitions import Fold
from rtcdp.definitions.products import PRODUCT_TABLES
from rtcdp.errors import UsageError
from rtcdp.folds.sessions import Sessions
from rtcdp.log.contract import Delivery, LogReplaced
from rtcdp.runtime.parts import log_writer, store_of
from rtcdp.runtime.processes.locks import AlreadyRunning
from rtcdp.runtime.processes.troubles import trouble_of_processor
from rtcdp.runtime.processing import FillingTold, processor_of, processor_on, run_processor
from rtcdp.runtime.processing import running as processing
from rtcdp.runtime.settings import Settings
from rtcdp.testing.epochs import EpochMaker


def test_two_processors_of_one_store_are_refused(tmp_path):
    settings = Settings(data_dir=tmp_path / "data")
    other = Settings(data_dir=tmp_path / "other", store=settings.store_url)
    with (
        processor_of(settings, SystemClock()),
        pytest.raises(AlreadyRunning, match="a processor runs already"),
        processor_of(other, SystemClock()),
    ):
        pass


def test_an_engine_that_does_not_read_the_log_is_wrong_usage(tmp_path):
    settings = Settings(data_dir=tmp_path, engine="spark")
    with pytest.raises(UsageError, match="spark"), processor_of(settings, SystemClock()):
        pass


def test_a_processor_that_is_told_to_stop_counts_what_is_in_the_log_first(tmp_path):
    settings = Settings(data_dir=tmp_path)
    with log_writer(settings, SystemClock()) as writer:
        writer.append([Delivery(b"", 0, 1, rejects=((0, b"nonsense"),))])
    stop = threading.Event()
    stop.set()
    run_processor(settings, SystemClock(), stop)
    with store_of(settings, read_only=True) as store, store.snapshot() as snapshot:
        assert snapshot.ledger_totals()["dead_letter"] == 1


def test_one_that_is_told_to_stop_before_it_has_begun_counts_everything_or_nothing(tmp_path):
    settings = Settings(data_dir=tmp_path)
    with processor_of(settings, SystemClock()) as killed:
        killed.recover()
    event = (
        b'{"userId":"ada","timestamp":1772366400000,"eventType":"PAGE_VIEW",'
        b'"pageUrl":"/","productId":"kite"}\n'
    )
    with log_writer(settings, SystemClock()) as writer:
        writer.append([Delivery(event, 1, 1_772_366_400_000)])
    stop = threading.Event()
    stop.set()
    run_processor(settings, SystemClock(), stop)
    with store_of(settings, read_only=True) as store:
        heights = {fold.name: store.dump(fold.table).height for fold in load_folds()}
    # A view is no cart.
    assert heights == {**dict.fromkeys(heights, 1), "cart_outcomes": 0}


def test_trouble_is_told_and_so_is_its_end(tmp_path, caplog):
    caplog.set_level(logging.INFO, "rtcdp")
    with processor_of(Settings(data_dir=tmp_path), SystemClock()) as processor:
        processor.listeners.on_trouble("the store is locked; trying again")
        processor.listeners.on_trouble("an event could not be counted")
        processor.run(threading.Event(), once=True)
        processor.run(threading.Event(), once=True)
    told = [(record.levelname, record.getMessage().partition(",")[0]) for record in caplog.records]
    assert told == [
        ("WARNING", "the store is locked; trying again"),
        ("WARNING", "an event could not be counted"),
        ("INFO", "back again"),
    ]


def test_metrics_of_the_store_that_are_not_in_the_catalog_are_named_at_the_start(tmp_path, caplog):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "visits.py").write_text(
        "from rtcdp.definitions import Count\n"
        "from rtcdp.definitions import Metric\n"
        "from rtcdp.definitions import tumbling\n"
        'METRIC = Metric(name="visits", title="V", window=tumbling(hours=1),'
        ' measures=(Count("n"),))\n'
    )
    settings = Settings(data_dir=tmp_path / "data", catalog=mine)
    with processor_of(settings, SystemClock()) as processor:
        processor.run(threading.Event(), once=True)
    assert not caplog.records
    with processor_of(replace(settings, catalog=None), SystemClock()):
        pass
    (record,) = caplog.records
    assert "not in the catalog, and they stand still: visits – give the --catalog" in (
        record.getMessage()
    )


def test_what_ended_a_processor_is_told_until_the_next_one_works(tmp_path):
    clock = SystemClock()
    settings = Settings(data_dir=tmp_path)
    with store_of(settings) as store:
        store.prepare([])
        store.commit(replace(EpochMaker().make(), log_id="embedded:7"))
    with pytest.raises(LogReplaced):
        run_processor(settings, clock, threading.Event())
    assert "counted the log embedded:7" in str(trouble_of_processor(settings))
    settings.store_path.unlink()
    stop = threading.Event()
    running = threading.Thread(target=run_processor, args=(settings, clock, stop))
    running.start()
    deadline = time.monotonic() + 30
    while trouble_of_processor(settings) is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    stop.set()
    running.join(30)
    assert trouble_of_processor(settings) is None


FILE_OF_VISITS = (
    "from rtcdp.definitions import *\n"
    'METRIC = Metric("visits", "V", tumbling(hours=1), (Count("n"),))\n'
)


def settings_with_visits(tmp_path):
    """Of an installation whose catalog is a folder with one metric in it."""
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "visits.py").write_text(FILE_OF_VISITS)
    return Settings(data_dir=tmp_path / "data", catalog=mine)


def test_a_changed_catalog_is_taken_up_and_a_broken_one_is_told(tmp_path, caplog):
    caplog.set_level(logging.INFO, "rtcdp")
    settings = settings_with_visits(tmp_path)
    mine = settings.catalog
    event = b'{"userId":"a","eventType":"A","timestamp":5}\n'
    with log_writer(settings, SystemClock()) as writer:
        writer.append([Delivery(event, 1, 5, intake="import")])
    stop = threading.Event()
    running = threading.Thread(target=run_processor, args=(settings, SystemClock(), stop))
    running.start()
    try:
        wait_until(lambda: complete_metrics(settings) >= {"visits"})
        (mine / "other.py").write_text(FILE_OF_VISITS.replace("visits", "other"))
        wait_until(lambda: complete_metrics(settings) >= {"visits", "other"})
        (mine / "other.py").write_text("x = (")
        wait_until(lambda: "other.py, line 1" in caplog.text)
        assert running.is_alive()
    finally:
        stop.set()
        running.join(30)
    assert not running.is_alive()
    assert "the catalog has changed: other is filled from the log" in caplog.text
    (mine / "other.py").write_text(FILE_OF_VISITS.replace("visits", "other"))
    other = next(metric for metric in load_catalog(mine) if metric.name == "other")
    with store_of(settings, read_only=True) as store, store.snapshot() as snapshot:
        assert [item["n"] for item in windows(snapshot, other, WindowQuery()).items] == [1]


def test_a_file_that_breaks_while_another_one_is_taken_up_ends_no_processor(
    tmp_path, caplog, monkeypatch
):
    caplog.set_level(logging.INFO, "rtcdp")
    settings = settings_with_visits(tmp_path)
    mine = settings.catalog
    begun = []

    def broken_meanwhile(*given):
        begun.append(given)
        if len(begun) > 1:
            (mine / "broken.py").write_text("x = (")
        return processor_on(*given)

    monkeypatch.setattr(processing, "processor_on", broken_meanwhile)
    stop = threading.Event()
    running = threading.Thread(target=run_processor, args=(settings, SystemClock(), stop))
    running.start()
    try:
        wait_until(lambda: begun)
        (mine / "other.py").write_text(FILE_OF_VISITS.replace("visits", "other"))
        wait_until(lambda: "the catalog stays as it was" in caplog.text or not running.is_alive())
        assert running.is_alive()
        assert "broken.py, line 1" in caplog.text
    finally:
        stop.set()
        running.join(30)


def test_what_is_filled_is_told_ten_times_at_most(caplog):
    caplog.set_level(logging.INFO, "rtcdp")
    told = FillingTold()
    for number in range(101):
        told.tell("sessions", number / 100)
        told.tell("timeline", 1.0)
    sentences = [record.getMessage() for record in caplog.records]
    assert sentences.count("timeline is filled: 100 %") == 1
    assert [s for s in sentences if s.startswith("sessions")] == [
        f"sessions is filled: {tenth * 10} %" for tenth in range(1, 11)
    ]


def test_which_folds_run_is_a_setting(tmp_path):
    settings = Settings(data_dir=tmp_path, folds="sessions")
    with processor_of(settings, SystemClock()) as processor:
        processor.run(threading.Event(), once=True)
    with store_of(settings, read_only=True) as store:
        of_products = [table.name for table in PRODUCT_TABLES]
        of_folds = ["notices__", "sessions", "timeline__userid"]
        assert sorted(store.row_tables()) == sorted([*of_folds, *of_products])
    with (
        pytest.raises(UsageError, match="no fold 'visits'"),
        processor_of(replace(settings, folds="visits"), SystemClock()),
    ):
        pass


VISITS = Fold("visits", "V", Sessions(gap_ms=60_000))
FOLD = (
    "from rtcdp.definitions import Fold\n"
    "from rtcdp.folds.sessions import Sessions\n"
    'FOLD = Fold("visits", "V", Sessions(gap_ms=60_000))\n'
)


def test_a_fold_that_settings_name_and_whose_file_goes_stands_still(tmp_path, caplog):
    caplog.set_level(logging.INFO, "rtcdp")
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "visits.py").write_text(FOLD)
    (mine / "stays.py").write_text(FOLD.replace("visits", "stays"))
    settings = Settings(data_dir=tmp_path / "data", catalog=mine, folds="visits, sessions")
    stop = threading.Event()
    running = threading.Thread(target=run_processor, args=(settings, SystemClock(), stop))
    running.start()
    try:
        wait_until(lambda: told_folds(settings) >= {"visits", "sessions"})
        (mine / "visits.py").unlink()
        wait_until(lambda: "the catalog has changed: visits stands still" in caplog.text)
        assert "there is no fold visits in the catalog any more" in caplog.text
        send(settings, user="ann")
        wait_until(lambda: users_of("sessions", settings) == ["ann"])
        assert users_of("visits", settings) == []
        (mine / "visits.py").write_text(FOLD)
        wait_until(lambda: users_of("visits", settings) == ["ann"])
    finally:
        stop.set()
        running.join(30)
    assert not running.is_alive()
    assert trouble_of_processor(settings) is None


def test_a_catalog_that_breaks_while_a_processor_is_made_does_not_end_it(tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "visits.py").write_text("x = (")
    settings = Settings(data_dir=tmp_path / "data", catalog=mine)
    with processor_of(settings, SystemClock(), metrics=(), folds=load_folds()) as processor:
        processor.run(threading.Event(), once=True)


def send(settings, user):
    event = b'{"userId":"%s","eventType":"A","timestamp":5}\n' % user.encode()
    with log_writer(settings, SystemClock()) as writer:
        writer.append([Delivery(event, 1, 5, intake="import")])


def told_folds(settings):
    """The folds of the store that are filled."""
    if not settings.store_path.exists():
        return set()
    with store_of(settings, read_only=True) as store:
        return {name for name in store.row_tables() if store.backfill_offsets(name) is None}


def users_of(name, settings):
    fold = next(f for f in (*load_folds(settings.catalog), VISITS) if f.name == name)
    with store_of(settings, read_only=True) as store:
        return store.dump(fold.table)["userId"].to_list()


def complete_metrics(settings):
    if not settings.store_path.exists():
        return set()
    with store_of(settings, read_only=True) as store:
        return {name for name in store.metrics() if store.backfill_offsets(name) is None}


def wait_until(holds, within_s=60):
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)
