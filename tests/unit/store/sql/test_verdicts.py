"""Recorded verdicts in SQL; what every store does with them is tested by its conformance."""

from rtcdp.admission.rules import AdmissionRules
from rtcdp.admission.verdicts import RECORDED_SCHEMA
from rtcdp.clock import KeptTime
from rtcdp.store import RulesInForce
from rtcdp.store.sql.verdicts import (
    forget_verdicts,
    put_rules,
    read_rules,
    read_time,
    read_verdicts,
    write_time,
)
from rtcdp.store.sqlite.file import open_writer


def test_a_new_file_has_decided_nothing(tmp_path) -> None:
    connection = open_writer(tmp_path / "store.db", 1000)
    assert read_verdicts(connection, 0, 0, 10).schema == RECORDED_SCHEMA
    assert read_rules(connection) == []
    assert read_time(connection) == KeptTime()
    forget_verdicts(connection, {0: 7})
    connection.close()


def test_rules_and_time_are_written_in_one_place_each(tmp_path) -> None:
    connection = open_writer(tmp_path / "store.db", 1000)
    for window in (1, 2):
        put_rules(connection, AdmissionRules(dedup_window_ms=window))
        write_time(connection, KeptTime(window))
    assert read_rules(connection) == [RulesInForce(1, {}, AdmissionRules(dedup_window_ms=2))]
    assert read_time(connection) == KeptTime(2)
    connection.close()
