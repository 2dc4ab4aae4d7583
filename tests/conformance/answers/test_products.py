"""Metrics by what products are: each engine on each store gives the naive answer, whichever stream
is ahead, and a late update corrects what is there already."""

import random

import msgspec

from rtcdp.admission.rules import AdmissionRules
from rtcdp.answers.windows import MAX_PAGE, WindowQuery, windows
from rtcdp.definitions.products import PRODUCTS
from rtcdp.engines.products import MAX_VERSIONS, ProductUpdates
from rtcdp.log.contract import Delivery
from rtcdp.testing.driver import START_MS
from rtcdp.testing.memory_log import MemoryLog
from rtcdp.verify.products import verify_products
from tests.by_category import METRICS, by_place, naive, traffic

SPARK_ON = ("sqlite",)
"""What Spark hands to any of the stores is of the same shape."""

RULES = AdmissionRules(allowed_lateness_ms=10**9)


class Shop(MemoryLog):
    """A log of events, and that of their products beside it."""

    def __init__(self, chance):
        super().__init__(lambda: chance.randint(1, 25))
        self.products = MemoryLog(lambda: chance.randint(1, 5))

    def take(self, facts):
        for at, fact in facts:
            log = self if "eventType" in fact else self.products
            log.append([Delivery(msgspec.json.encode(fact) + b"\n", 1, START_MS + at)])


def test_what_is_counted_by_category_is_what_was_known_in_the_end(run_engine, open_store):
    chance = random.Random(8)
    events, updates = traffic(chance)
    updates += [{"productId": "r", "category": "C", "validFrom": START_MS - 2_000}]
    facts = [*events, *updates[1:]]
    chance.shuffle(facts)
    shop, store = Shop(chance), open_store()
    shop.take(enumerate(facts))
    run_engine(shop, store, METRICS, RULES, 2_000)
    # This one comes when all else is counted.
    shop.take([(10_000, updates[0])])
    assert ProductUpdates(shop.products, store).step()
    said = [fact for fact in facts if "eventType" not in fact] + updates[:1]
    with store.snapshot() as snapshot:
        for metric in METRICS:
            items = windows(snapshot, metric, WindowQuery(limit=MAX_PAGE)).items
            assert by_place(metric, items) == naive(metric, events, said), metric.name
    versions = {(each["productId"], each["validFrom"]) for each in updates}
    assert verify_products(shop.products, store, METRICS, MAX_VERSIONS).differences == ()
    assert set(store.dump(PRODUCTS).select("productId", "validFrom").rows()) == versions
