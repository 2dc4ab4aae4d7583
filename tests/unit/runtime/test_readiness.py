from rtcdp.engines.spark.limits import SparkLimits
from rtcdp.runtime.locks import processor_lock
from rtcdp.runtime.readiness import checks_of, commit_ms, is_processing, lack_of_room
from rtcdp.runtime.settings import Settings


def test_a_disk_without_room_is_told(tmp_path) -> None:
    assert lack_of_room(tmp_path, min_free_bytes=0) is None
    assert "is full" in str(lack_of_room(tmp_path, min_free_bytes=2**80))
    assert "No such file" in str(lack_of_room(tmp_path / "nowhere"))


def test_whether_a_processor_works_is_known_by_its_lock(tmp_path) -> None:
    settings = Settings(data_dir=tmp_path)
    works = is_processing(settings)
    assert works is not None
    assert not works()
    with processor_lock(settings):
        assert works()
    assert not works()


def test_of_a_store_on_a_server_it_is_not_known(tmp_path) -> None:
    assert is_processing(Settings(data_dir=tmp_path, store="postgresql://localhost/a")) is None


def test_who_takes_no_events_has_nothing_of_its_own_to_check(tmp_path) -> None:
    checks = checks_of(Settings(data_dir=tmp_path), None, None)
    assert {name: check() for name, check in checks.items()} == {"processor": None}


def test_spark_has_the_time_of_ten_batches() -> None:
    assert commit_ms(Settings()) == 0
    slow = Settings(engine="spark", spark=SparkLimits(trigger_s=2.0))
    assert commit_ms(slow) == 20_000
