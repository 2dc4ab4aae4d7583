import pytest

from rtcdp.admission.rules import AdmissionRules
from rtcdp.store import Epoch
from rtcdp.testing.driver import Driver
from rtcdp.verify.independent import Findings, summary, verify_independently
from rtcdp.verify.stored import Kept
from tests.unit.verify.conftest import METRICS

KEPT_MS = 10**12


def check(driver: Driver) -> Findings:
    expiry = Kept(KEPT_MS, KEPT_MS, driver.now_ms)
    return verify_independently(driver.log, driver.store, METRICS, AdmissionRules(), expiry)


def test_a_store_that_is_right_has_no_difference(driver: Driver) -> None:
    found = check(driver)
    assert (found.disagreements, found.set_aside, found.records) == ((), (), 5)
    assert found.rows == 2 * (2 + 13)


def test_a_record_that_changed_since_is_found(driver: Driver) -> None:
    driver.log.damage(1)
    found = check(driver)
    assert {each.about for each in found.disagreements} >= {"verdict", "ledger", "answer by_user"}
    assert any(line.startswith("verdict ") for line in summary(found))


def test_good_events_that_the_engine_failed_at_are_listed(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = driver.store.commit

    def fail(epoch: Epoch) -> None:
        if epoch.changes:
            raise ValueError("a defect")
        commit(epoch)

    monkeypatch.setattr(driver.store, "commit", fail)
    driver.feed({"userId": "new", "eventType": "A", "timestamp": driver.now_ms})
    driver.process()
    found = check(driver)
    assert (found.set_aside, found.disagreements) == (((0, 5),), ())


def test_what_was_gone_before_is_left_out(driver: Driver) -> None:
    driver.log.trim(2)
    found = check(driver)
    assert found.disagreements == ()
    assert "what records before the log's beginning may have touched" in found.left_out
