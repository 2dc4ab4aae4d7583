from rtcdp.definitions import Count, Metric, tumbling
from rtcdp.testing.driver import Driver
from rtcdp.testing.dump import LEDGER, UNCOUNTED, differing, dump

METRIC = Metric("views", "Views", tumbling(minutes=1), (Count("n"),))


def fed(directory, *users):
    driver = Driver([METRIC], directory)
    for user in users:
        event = {"userId": user, "eventType": "PAGE_VIEW", "timestamp": driver.now_ms}
        driver.feed(event if user else {"eventType": "PAGE_VIEW"})
    driver.process()
    return dump(driver.store, [METRIC])


def test_a_dump_has_every_table_the_ledger_and_what_was_not_counted(tmp_path):
    found = fed(tmp_path, "ada", "")
    assert set(found) == {"views", LEDGER, UNCOUNTED}
    assert found["views"]["n"].to_list() == [1]
    assert found[LEDGER]["received"].to_list() == [2]
    assert found[UNCOUNTED]["reason"].to_list() == ["missing_field"]
    assert "offset" not in found[UNCOUNTED].columns


def test_the_same_events_make_equal_dumps(tmp_path):
    one, other = fed(tmp_path / "1", "ada", "bob", ""), fed(tmp_path / "2", "", "bob", "ada")
    assert differing(one, other) == []


def test_what_differs_is_named(tmp_path):
    one, other = fed(tmp_path / "1", "ada"), fed(tmp_path / "2", "ada", "bob")
    assert differing(one, other) == [LEDGER, "views"]
    assert differing(one, {}) == sorted(one)
