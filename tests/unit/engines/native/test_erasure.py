from rtcdp.definitions.enrichment import stored_metrics
from rtcdp.engines.native.erasure import Parts, traces_of
from tests.properties.test_erasure import FOLDS, METRICS, Shop


def test_all_that_names_a_user_is_traced(tmp_path):
    shop = Shop(tmp_path, 9)
    shop.visit(60)
    metrics = stored_metrics(METRICS)
    parts = Parts(shop.log, shop.store, metrics, (), [fold.name for fold in FOLDS], 10**6)
    traced = [traces_of(parts, user) for user in shop.users]
    everything = shop.totals()
    assert sum(len(each.records) for each in traced) == everything["received"]
    for verdict in ("admitted", "duplicate", "late", "dead_letter"):
        assert sum(each.counts[verdict] for each in traced) == everything[verdict]
    assert not traces_of(parts, "nobody").records
    shop.close()
