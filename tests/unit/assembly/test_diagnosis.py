import socket

import pytest

from rtcdp.assembly.diagnosis import Finding, diagnose
from rtcdp.clock import KeptTime, ManualClock, SystemClock
from rtcdp.events.rules import AdmissionRules
from rtcdp.settings import Settings
from rtcdp.store.sqlite import SqliteStore


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=tmp_path / "data", port=0)


def looked_at(settings: Settings, environment=None, clock=None) -> dict[str, Finding]:
    found = diagnose(settings, environment or {}, clock or SystemClock())
    return {finding.what: finding for finding in found}


def test_an_empty_place_is_well_and_is_left_as_it_is(settings):
    findings = looked_at(settings)
    assert {what for what, finding in findings.items() if finding.state == "broken"} == set()
    assert list(settings.data_dir.parent.iterdir()) == []


def test_a_port_that_is_taken_is_broken(settings):
    with socket.create_server(("127.0.0.1", 0)) as server:
        found = looked_at(settings.on_port(server.getsockname()[1]))["port"]
    assert (found.state, "another program" in found.fact) == ("broken", True)
    assert "--port" in found.hint


def test_a_store_that_is_none_is_broken(settings):
    settings.data_dir.mkdir()
    settings.store_file.write_bytes(b"not a database, and long enough to be one" * 100)
    assert looked_at(settings)["store"].state == "broken"


def test_a_data_folder_that_is_a_file_is_broken(settings):
    settings.data_dir.write_text("")
    assert looked_at(settings)["data folder"].state == "broken"


def test_a_catalog_with_a_mistake_is_broken(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "wrong.py").write_text("METRIC = 1")
    found = looked_at(Settings(data_dir=tmp_path, catalog=tmp_path / "mine", port=0))["catalog"]
    assert (found.state, "wrong.py" in found.fact) == ("broken", True)


def test_a_clock_before_this_program_is_broken(settings):
    assert looked_at(settings, clock=ManualClock(0))["clock"].state == "broken"


def test_a_variable_that_is_no_setting_is_odd(settings):
    found = looked_at(settings, {"RTCDP_STROE": "x"})["environment"]
    assert (found.state, found.fact) == ("odd", "no settings: RTCDP_STROE")


def test_a_clock_that_was_set_is_odd(settings):
    store = SqliteStore(settings.store_file)
    store.prepare(())
    store.keep_time(KeptTime(1, -7_200_000, 2, is_suspended=True))
    store.close()
    found = looked_at(settings)["clock steps"]
    assert (found.state, found.fact) == (
        "odd",
        "it was set by -7,200 s; nothing is deleted meanwhile",
    )


def test_settings_with_other_rules_than_those_in_force_are_odd(settings):
    store = SqliteStore(settings.store_file)
    store.prepare(())
    store.put_rules_in_force(settings.admission)
    assert looked_at(settings)["admission"].state == "ok"
    store.put_rules_in_force(AdmissionRules(dedup_window_ms=1))
    store.close()
    found = looked_at(settings)["admission"]
    assert (found.state, "since epoch 1" in found.fact) == ("odd", True)
