from dataclasses import replace

import pytest

from rtcdp.clock import SystemClock
from rtcdp.errors import PartMissing
from rtcdp.log.contract import Delivery, LogReplaced
from rtcdp.runtime.parts import (
    guarded_log_writer,
    left_out_text,
    log_reader,
    log_writer,
    metrics_left_out,
    metrics_of,
    require_log,
    require_store,
    store_of,
)
from rtcdp.runtime.settings import Settings
from rtcdp.testing.epochs import EpochMaker


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=tmp_path / "data")


def test_what_is_written_to_the_log_is_read_from_it(settings):
    with log_writer(settings, SystemClock()) as writer:
        writer.append([Delivery(b"x\n", 1, 1)])
    with log_reader(settings) as reader:
        assert reader.extent(0).next_offset == 1


def test_a_store_that_is_not_there_reads_as_an_empty_one(settings):
    with store_of(settings, read_only=True) as store:
        assert store.progress().epoch == 0
    assert not settings.store_path.exists()


def test_the_catalog_has_the_first_metric(settings):
    assert "user_page_view_counts" in {metric.name for metric in metrics_of(settings)}


def test_nothing_is_written_into_a_log_whose_store_belongs_to_another(tmp_path):
    settings = Settings(data_dir=tmp_path)
    with store_of(settings) as store:
        store.prepare([])
        epoch = EpochMaker().make(admitted=1)
        store.commit(replace(epoch, log_id="embedded:7"))
    with (
        pytest.raises(LogReplaced, match="counted the log embedded:7"),
        log_writer(settings, SystemClock()),
    ):
        pass
    assert not settings.log_path.exists()


def test_what_is_not_there_is_told_as_missing(settings):
    for require in (require_log, require_store):
        with pytest.raises(PartMissing, match=f"there is no folder {settings.data_dir}"):
            require(settings)
    settings.data_dir.mkdir()
    for require in (require_log, require_store):
        with pytest.raises(PartMissing, match="yet"):
            require(settings)


def test_what_waits_in_the_log_is_to_be_counted_first(settings):
    with log_writer(settings, SystemClock()) as writer:
        writer.append([Delivery(b"x\n", 1, 1)])
    with pytest.raises(PartMissing) as missing:
        require_store(settings)
    assert f"count what is in {settings.log_url}" in missing.value.hint
    assert missing.value.hint.endswith("rtcdp process --once")


def test_what_is_there_is_not_missing(settings):
    with log_writer(settings, SystemClock()) as writer:
        writer.append([Delivery(b"x\n", 1, 1)])
    require_log(settings)
    with store_of(settings) as store:
        store.prepare(metrics_of(settings))
        assert metrics_left_out(store, metrics_of(settings)) == ()
        assert "revenue" in metrics_left_out(store, ())
    require_store(settings)


def test_a_long_list_of_metrics_is_cut():
    assert "m9 and 2 more – give the --catalog" in left_out_text([f"m{n}" for n in range(12)])


def test_a_store_that_nobody_named_says_nothing_of_a_log_that_somebody_named(tmp_path):
    """`generate --to` and `collect --log` work in a folder in which `rtcdp up` has run."""
    settings = Settings(data_dir=tmp_path)
    with store_of(settings) as store:
        store.prepare([])
        store.commit(replace(EpochMaker().make(admitted=1), log_id="embedded:7"))
    elsewhere = replace(settings, log=f"embedded:{tmp_path / 'other'}")
    with log_writer(elsewhere, SystemClock()) as writer:
        writer.append([Delivery(b"x\n", 1, 1)])
    with guarded_log_writer(elsewhere, SystemClock(), lambda _: None, has_store=False) as guarded:
        guarded.append([Delivery(b"x\n", 1, 1)])
    named = replace(elsewhere, store=f"sqlite:{settings.store_path}")
    with pytest.raises(LogReplaced), log_writer(named, SystemClock()):
        pass
