import json
from dataclasses import replace

import pytest

from rtcdp.clock import ManualClock, SystemClock
from rtcdp.errors import NotThere, PartMissing
from rtcdp.runtime.user_data.over_http import InstallationUserData
from rtcdp.runtime.user_data.requests import ErasureRequests
from tests.unit.runtime.small_shop import count, settings_of, visit


def test_lines_are_those_of_one_user_and_a_request_is_remembered(tmp_path):
    settings = settings_of(tmp_path)
    visit(settings, "ada", "bob")
    count(settings)
    data = InstallationUserData(settings, SystemClock())
    lines = [json.loads(line) for line in data.export("ada")]
    assert lines[0]["event"]["userId"] == "ada"
    assert all("bob" not in json.dumps(line) for line in lines)
    state = data.erase("ada", "key 1")
    assert data.erasure(state.id) == state
    with pytest.raises(NotThere):
        data.erasure("no such thing")


def test_who_could_not_do_it_says_so_before_anything_is_asked(tmp_path):
    settings = settings_of(tmp_path)
    spark = replace(settings, engine="spark", log="kafka://127.0.0.1:1/topic")
    with pytest.raises(PartMissing):
        InstallationUserData(spark, SystemClock()).erase("ada", "key 1")
    assert not (tmp_path / "erasures").exists()


def test_with_a_store_on_a_server_somebody_has_to_work_with_this_data_folder(tmp_path):
    """Whoever processes may be on another machine, and hear of nothing."""
    clock = ManualClock(1_767_225_600_000)
    settings = replace(settings_of(tmp_path), store="postgresql://127.0.0.1:1/none")
    data, requests = InstallationUserData(settings, clock), ErasureRequests(tmp_path, clock)
    with pytest.raises(PartMissing, match="this server's data folder"):
        data.erase("ada", "key 1")
    assert not (tmp_path / "erasures").exists()
    requests.show_taker()
    assert data.erase("ada", "key 1").state == "waiting"
    clock.advance(60_001)
    with pytest.raises(PartMissing):
        data.erase("bob", "key 1")
