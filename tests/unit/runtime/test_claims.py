import pytest

from rtcdp.runtime.claims import processor_lock, processor_lock_path, running_lock, running_url
from rtcdp.runtime.locks import AlreadyRunning
from rtcdp.runtime.settings import Settings


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=tmp_path / "data")


def test_a_running_installation_says_where_it_is(settings):
    assert running_url(settings) is None
    with running_lock(settings) as lock:
        lock.announce(settings.base_url)
        assert running_url(settings) == "http://127.0.0.1:8081"
    assert running_url(settings) is None


def test_the_right_to_write_goes_with_the_store(settings, tmp_path):
    other = Settings(data_dir=tmp_path / "other", store=settings.store_url)
    assert processor_lock_path(other) == processor_lock_path(settings)
    with processor_lock(settings), pytest.raises(AlreadyRunning, match="a processor"):
        processor_lock(other)
