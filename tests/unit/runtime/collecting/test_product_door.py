"""Product updates, from the door to the store."""

import asyncio
import shutil
import threading

import pytest

from rtcdp.clock import SystemClock
from rtcdp.definitions.products import PRODUCTS
from rtcdp.intake.problem import RequestRefused
from rtcdp.runtime.collecting.product_door import product_collector
from rtcdp.runtime.parts import log_writer, store_of
from rtcdp.runtime.processing import processor_of
from rtcdp.runtime.settings import Settings

BODY = b'[{"productId":"p","category":"A"},{"productId":7}]'


def test_what_is_answered_rests_and_is_followed(tmp_path):
    settings, stop = Settings(data_dir=tmp_path), threading.Event()
    with (
        log_writer(settings, SystemClock()),
        asyncio.Runner() as runner,
        product_collector(settings, SystemClock(), stop) as collector,
    ):
        answer = runner.run(collector.take(BODY, "application/json"))
        assert (answer.accepted, answer.rejected_count) == (1, 1)
        assert answer.rejected[0].code == "wrong_type"
    with processor_of(settings, SystemClock()) as processor:
        processor.run(stop, once=True)
    with store_of(settings, read_only=True) as store:
        assert store.dump(PRODUCTS)["category"].to_list() == ["A"]


def test_without_a_log_of_events_nothing_is_taken_until_it_is_there(tmp_path):
    settings = Settings(data_dir=tmp_path)
    with (
        asyncio.Runner() as runner,
        product_collector(settings, SystemClock(), threading.Event()) as collector,
    ):
        with pytest.raises(RequestRefused) as refused:
            runner.run(collector.take(BODY, "application/json"))
        assert refused.value.code == "log_unavailable"
        with log_writer(settings, SystemClock()):
            assert runner.run(collector.take(BODY, "application/json")).accepted == 1
            shutil.rmtree(tmp_path / "log" / "product_updates")
            with pytest.raises(RequestRefused):
                runner.run(collector.take(BODY, "application/json"))
            assert runner.run(collector.take(BODY, "application/json")).accepted == 1
