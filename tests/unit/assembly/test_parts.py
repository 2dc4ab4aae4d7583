import pytest

from rtcdp.assembly.locks import AlreadyRunning
from rtcdp.assembly.parts import (
    log_reader,
    log_writer,
    metrics_of,
    processor_lock_path,
    processor_of,
    require_native,
    running_lock,
    running_url,
    store_of,
)
from rtcdp.clock import SystemClock
from rtcdp.errors import PartMissing
from rtcdp.log.log import Delivery
from rtcdp.settings import Settings


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


def test_two_processors_of_one_store_are_refused(settings, tmp_path):
    other = Settings(data_dir=tmp_path / "other", store=settings.store_url)
    assert processor_lock_path(other) == processor_lock_path(settings)
    with (
        processor_of(settings, SystemClock()),
        pytest.raises(AlreadyRunning, match="a processor runs already"),
        processor_of(other, SystemClock()),
    ):
        pass


def test_a_running_installation_says_where_it_is(settings):
    assert running_url(settings) is None
    with running_lock(settings) as lock:
        lock.announce(settings.base_url)
        assert running_url(settings) == "http://127.0.0.1:8081"
    assert running_url(settings) is None


def test_the_other_engine_is_a_missing_part(settings):
    require_native(settings)
    with pytest.raises(PartMissing, match="spark"):
        require_native(Settings(engine="spark"))


def test_the_catalog_has_the_first_metric(settings):
    assert "user_page_view_counts" in {metric.name for metric in metrics_of(settings)}
