"""Product updates have a topic of their own, made with the first of them."""

import asyncio
import threading

from rtcdp.clock import SystemClock
from rtcdp.definitions.products import PRODUCTS, UNUSED_UPDATES
from rtcdp.runtime.collecting.product_door import product_collector
from rtcdp.runtime.parts import store_of
from rtcdp.runtime.processing import processor_of
from rtcdp.runtime.settings import Settings


def test_updates_go_through_a_topic_of_their_own(kafka_server, tmp_path):
    kafka_server.create_topic("shop", partitions=1)
    settings = Settings(data_dir=tmp_path, log=kafka_server.url("shop"), folds="none")
    clock, stop = SystemClock(), threading.Event()
    with processor_of(settings, clock) as processor:
        processor.run(stop, once=True)
    body = b"".join(b'{"productId":"p%d","category":"c"}\n' % (n % 20) for n in range(40))
    with asyncio.Runner() as runner, product_collector(settings, clock, stop) as collector:
        answer = runner.run(collector.take(body + b"{}", "application/x-ndjson"))
        assert (answer.accepted, answer.rejected_count) == (40, 1)
    with processor_of(settings, clock) as processor:
        processor.run(stop, once=True)
    with store_of(settings, read_only=True) as store:
        rows, unused = store.dump(PRODUCTS), store.dump(UNUSED_UPDATES)
    assert set(rows["productId"]) == {f"p{n}" for n in range(20)}
    assert unused["reason"].to_list() == ["missing_field"]
    # A product's updates lie in one partition, in their order.
    by_product = rows.group_by("productId").n_unique()
    assert by_product["partition"].max() == 1
    assert rows["partition"].n_unique() > 1
