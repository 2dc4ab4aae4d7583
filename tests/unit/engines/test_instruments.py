"""What an engine tells operators."""

from dataclasses import replace

from prometheus_client import CollectorRegistry

from rtcdp.engines.commit import NOBODY, TRYING_AGAIN
from rtcdp.engines.instruments import EngineInstruments
from rtcdp.store import EpochReport

REPORT = EpochReport(1, {0: 10, 1: 5}, 15, 12, 250.0, 3, 40, {("late", "late"): 3}, 7, 2)


def test_epochs_are_added_up_and_whoever_heard_them_hears_them_still() -> None:
    registry, heard = CollectorRegistry(), []
    listeners = EngineInstruments(registry).heard_by(replace(NOBODY, on_epoch=heard.append))
    again = replace(REPORT, epoch=2, cache_hits=9, forgotten_ids=3)
    listeners.on_epoch(REPORT)
    listeners.on_epoch(again)
    # A processor that was made anew counts from nothing.
    listeners.on_epoch(replace(REPORT, epoch=3, cache_hits=1, forgotten_ids=0))
    value = registry.get_sample_value
    assert [report.epoch for report in heard] == [1, 2, 3]
    assert value("rtcdp_epoch_seconds_sum") == 0.75
    assert value("rtcdp_epoch_records_sum") == 45
    assert value("rtcdp_judged_records_total", {"verdict": "late", "reason": "late"}) == 9
    assert value("rtcdp_judged_records_total", {"verdict": "admitted", "reason": ""}) == 36
    assert value("rtcdp_engine_next_offset", {"partition": "1"}) == 5
    assert value("rtcdp_engine_waiting_records") == 40
    assert value("rtcdp_row_cache_keys_total", {"result": "hit"}) == 10
    assert value("rtcdp_forgotten_ids_total") == 3


def test_troubles_filling_and_batches_of_sparks() -> None:
    registry = CollectorRegistry()
    listeners = EngineInstruments(registry).heard_by(NOBODY)
    listeners.on_trouble(f"the store is away{TRYING_AGAIN}")
    listeners.on_trouble("a record could not be counted")
    listeners.on_filling("revenue", 0.5)
    listeners.on_progress(7, {"addBatch": 1500, "of another version": 3})
    value = registry.get_sample_value
    assert value("rtcdp_engine_troubles_total", {"kind": "away"}) == 1
    assert value("rtcdp_engine_troubles_total", {"kind": "other"}) == 1
    assert value("rtcdp_filled_ratio") == 0.5
    assert value("rtcdp_spark_batch") == 7
    assert value("rtcdp_spark_batch_seconds_sum", {"phase": "addBatch"}) == 1.5
    assert value("rtcdp_spark_batch_seconds_sum", {"phase": "of another version"}) is None
