import json
import sqlite3
from contextlib import closing

import pytest

from rtcdp.definitions import MEMBER, tables_of
from rtcdp.definitions.enrichment import stored_metrics
from rtcdp.engines.native.erasure import Parts, traces_of
from rtcdp.engines.native.user_rows import member_of
from rtcdp.log.contract import Delivery
from rtcdp.store import Acknowledgement, Scan
from tests.properties.test_erasure import FOLDS, METRICS, SALT, Shop


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


@pytest.fixture
def shop(tmp_path):
    made = Shop(tmp_path, 9)
    yield made
    made.close()


def say(shop, user, count=1, *, replay_of=None, text="/"):
    """So many page views of somebody now, in a delivery of their own; counted."""
    now = shop.clock.now_ms()
    event = {"userId": user, "timestamp": now, "eventType": "PAGE_VIEW", "pageUrl": text}
    each = ({**event, "eventId": f"{user} {number}"} for number in range(count))
    lines = b"".join(json.dumps(one).encode() + b"\n" for one in each)
    shop.writer.append([Delivery(lines, count, now, replay_of=replay_of)])
    shop.count()


def views_of(shop):
    (metric,) = (each for each in METRICS if each.name == "events_by_type")
    (table,) = tables_of(metric)
    with shop.store.snapshot() as snapshot:
        return int(snapshot.scan(Scan(table))["event_count"].sum())


def users_of(shop):
    """How many there were in each window of a day, and what stands for them."""
    (metric,) = (each for each in METRICS if each.name == "daily_active_users")
    with shop.store.snapshot() as snapshot:
        members = snapshot.scan(Scan(tables_of(metric)[1]))
    return members.height, members[MEMBER].to_list()


def test_what_others_say_of_a_user_is_theirs(shop):
    say(shop, "ada")
    alarms = [f'["{name}","{key}"]' for name, key in (("value_by_user", "ada"), ("top", "ada"))]
    for series in alarms:
        shop.store.acknowledge(Acknowledgement(series, 0, "me", 0, ""))
    say(shop, "bob", replay_of="0:7", text="/of/ada")
    done = shop.engine.erase("ada", SALT)
    assert (done.records, done.log_records) == ({"admitted": 1}, 1)
    assert [b"/of/ada" in each.raw for each in shop.log.read(0, 0, 10**6).each()] == [False, True]
    assert views_of(shop) == 1
    with shop.store.snapshot() as snapshot:
        assert [each.series for each in snapshot.acknowledgements(0, 1)] == alarms[1:]
    shop.check()


def test_counts_with_events_that_the_disk_has_damaged_stay_as_they_are(shop):
    say(shop, "bob", 3)
    say(shop, "ada", 2)
    with closing(sqlite3.connect(shop.folder / "log.db", isolation_level=None)) as file:
        file.execute("UPDATE chunk SET lines = x'00' WHERE first_offset = 0")
    (count, members), ada = users_of(shop), member_of("ada")
    assert ada in members
    done = shop.engine.erase("ada", SALT)
    assert users_of(shop)[0] == count
    assert ada not in users_of(shop)[1]
    assert (done.damaged, done.has_lost_counted, done.log_records) == (3, True, 2)
    assert views_of(shop) == 5
    assert shop.holds("ada") == []
