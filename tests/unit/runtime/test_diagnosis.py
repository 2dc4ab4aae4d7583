import shutil
import socket
import threading
from dataclasses import replace

import pytest

from rtcdp.admission.rules import AdmissionRules
from rtcdp.clock import KeptTime, ManualClock, SystemClock
from rtcdp.ip_addresses import PrivacyRules
from rtcdp.log.contract import Delivery
from rtcdp.log.embedded import EmbeddedLogWriter
from rtcdp.runtime.diagnosis import Finding, diagnose, schema_registry
from rtcdp.runtime.parts import log_writer, store_of
from rtcdp.runtime.processes.troubles import TroubleNote
from rtcdp.runtime.processing import processor_of
from rtcdp.runtime.settings import Settings
from rtcdp.store.sqlite import SqliteStore
from tests.schemas import Registry


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
    settings.store_path.write_bytes(b"not a database, and long enough to be one" * 100)
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
    store = SqliteStore(settings.store_path)
    store.prepare(())
    store.keep_time(KeptTime(1, -7_200_000, 2, is_suspended=True))
    store.close()
    found = looked_at(settings)["clock steps"]
    assert (found.state, found.fact) == (
        "odd",
        "it was set by -7,200 s; nothing is deleted meanwhile",
    )


def test_settings_with_other_rules_than_those_in_force_are_odd(settings):
    store = SqliteStore(settings.store_path)
    store.prepare(())
    store.put_rules_in_force(settings.admission)
    assert looked_at(settings)["admission"].state == "ok"
    store.put_rules_in_force(AdmissionRules(dedup_window_ms=1))
    store.close()
    found = looked_at(settings)["admission"]
    assert (found.state, "since epoch 1" in found.fact) == ("odd", True)


def counted(settings: Settings) -> None:
    """Let two events be counted."""
    line = b'{"userId":"ada","timestamp":5,"eventType":"PAGE_VIEW"}\n'
    with log_writer(settings, SystemClock()) as writer:
        writer.append([Delivery(line * 2, 2, 5)])
    with processor_of(settings, SystemClock()) as processor:
        processor.run(threading.Event(), once=True)


def test_counts_that_do_not_add_up_are_broken(settings):
    counted(settings)
    found = looked_at(settings)
    assert [found[what].state for what in ("store", "counts", "log and store")] == ["ok"] * 3
    with store_of(settings) as store, store._writing() as connection:
        connection.run("UPDATE __user_page_view_counts SET page_view_count = 2 + 256")
    counts = looked_at(settings)["counts"]
    assert (counts.state, "user_page_view_counts" in counts.fact) == ("broken", True)
    assert counts.hint


def test_a_log_that_is_not_the_stores_is_broken(settings):
    counted(settings)
    shutil.rmtree(settings.log_path)
    EmbeddedLogWriter(settings.log_path, ManualClock(7)).close()
    found = looked_at(settings)["log and store"]
    assert (found.state, "embedded:7" in found.fact) == ("broken", True)
    assert found.hint


def test_what_keeps_the_processor_from_working_is_told(settings):
    counted(settings)
    TroubleNote(settings).write("no such column: received")
    found = looked_at(settings)["processor"]
    assert (found.state, found.fact) == ("broken", "no such column: received")


def test_a_catalog_with_a_mistake_leaves_the_store_well(settings, tmp_path):
    counted(settings)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "wrong.py").write_text("METRIC = 1")
    found = looked_at(replace(settings, catalog=tmp_path / "mine"))
    assert (found["store"].state, found["catalog"].state) == ("ok", "broken")


def test_a_store_in_a_folder_that_is_not_there_is_odd(settings, tmp_path):
    apart = replace(settings, store=f"sqlite:{tmp_path / 'nowhere' / 'x.db'}")
    found = looked_at(apart)["store"]
    assert (found.state, "there is no folder" in found.fact) == ("odd", True)


def test_a_log_or_store_that_can_not_be_made_is_broken(settings, tmp_path):
    (tmp_path / "file").write_text("")
    store = replace(settings, store=f"sqlite:{tmp_path / 'file' / 'deep' / 'x.db'}")
    assert looked_at(store)["store"].state == "broken"
    log = replace(settings, log=f"embedded:{tmp_path / 'file' / 'deep' / 'log'}")
    assert looked_at(log)["log"].state == "broken"


def test_days_that_types_of_events_can_t_be_kept_for_are_broken(settings):
    assert "kept by type" not in looked_at(settings)
    month = looked_at(replace(settings, privacy=PrivacyRules(kept_days="PAGE_VIEW=30")))
    assert month["kept by type"].state == "ok"
    found = looked_at(replace(settings, privacy=PrivacyRules(kept_days="PAGE_VIEW=1")))
    assert found["kept by type"].state == "broken"
    assert "less than what" in found["kept by type"].fact
    assert "days at least" in found["kept by type"].hint


def test_a_schema_registry_is_asked_where_messages_are_read_by_one(settings):
    with Registry().running() as registry:
        url = registry.url.replace("//", "//me:secret@")
        of_topic = replace(settings.kafka, schema_registry=url)
        on_kafka = replace(settings, log="kafka://127.0.0.1:1/events", kafka=of_topic)
        (found,) = schema_registry(on_kafka)
        assert (found.state, "AVRO" in found.fact, "secret" in found.fact) == ("ok", True, False)
        registry.is_other_server = True
        (found,) = schema_registry(on_kafka)
        assert (found.state, "kafka.schema_registry" in found.hint) == ("broken", True)
    assert not [*schema_registry(replace(settings, kafka=of_topic))]
