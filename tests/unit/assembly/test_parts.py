from dataclasses import replace

import pytest

from rtcdp.assembly.parts import log_reader, log_writer, metrics_of, store_of
from rtcdp.clock import SystemClock
from rtcdp.log.log import Delivery, LogReplaced
from rtcdp.settings import Settings
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
    assert not settings.store_file.exists()


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
    assert not settings.log_directory.exists()
