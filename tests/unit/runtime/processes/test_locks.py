import os

import pytest

from rtcdp.errors import UsageError
from rtcdp.runtime.processes.locks import (
    AlreadyRunning,
    Holder,
    Lock,
    holder_of,
    processor_lock,
    processor_lock_path,
    running_lock,
    running_url,
)
from rtcdp.runtime.settings import Settings


def test_a_second_one_is_refused_and_told_who_holds_it(tmp_path):
    path = tmp_path / "a.lock"
    with Lock(path, "a processor"), pytest.raises(AlreadyRunning) as caught:
        Lock(path, "a processor")
    assert f"a processor runs already (process {os.getpid()})" in str(caught.value)
    assert caught.value.holder.pid == os.getpid()


def test_a_lock_that_was_let_go_is_free(tmp_path):
    path = tmp_path / "a.lock"
    Lock(path, "it").close()
    with Lock(path, "it"):
        pass


def test_the_holder_can_say_where_it_is_reached(tmp_path):
    path = tmp_path / "a.lock"
    with Lock(path, "it") as lock:
        lock.announce("http://here")
        assert holder_of(path) == Holder(os.getpid(), "http://here")
    assert holder_of(path) is None


def test_nobody_holds_what_is_not_there(tmp_path):
    assert holder_of(tmp_path / "absent.lock") is None


def test_a_folder_that_cannot_be_made_is_wrong_usage(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="can't be made"):
        Lock(tmp_path / "file" / "a.lock", "it")


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
