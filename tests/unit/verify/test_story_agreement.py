"""The independent judge of folds, over a log and a store: right, wrong, gone, or too long."""

from dataclasses import replace

import pytest

from rtcdp.admission.rules import AdmissionRules
from rtcdp.catalog.catalog import load_folds
from rtcdp.definitions import Compare, Equals, Fold, Property, UrlPath
from rtcdp.folds.funnels import Funnel, FunnelStep
from rtcdp.folds.sessions import Sessions
from rtcdp.testing.driver import START_MS, Driver
from rtcdp.testing.epochs import EpochMaker, row_changes
from rtcdp.verify import story_judge
from rtcdp.verify.independent import verify_independently
from rtcdp.verify.plain import is_fold_judged
from rtcdp.verify.stored import Kept
from tests.conformance.folds.stream import RULES, Stream

FOLDS = load_folds()
BY_NAME = {fold.name: fold for fold in FOLDS}
DAY = 86_400_000
KEPT_MS = 10**13


@pytest.fixture
def driver(tmp_path):
    driver = Driver((), tmp_path, RULES, lambda: 40, folds=FOLDS)
    driver.log.append(Stream(seed=3, count=80).deliveries)
    driver.process()
    yield driver
    driver.close()


def judged(driver, folds=FOLDS):
    expiry = Kept(KEPT_MS, KEPT_MS, driver.now_ms)
    return verify_independently(driver.log, driver.store, folds, AdmissionRules(), expiry)


def damage(driver, changes):
    """Changes rows in an epoch that reads nothing, and so is found at its ledger as well."""
    progress = driver.store.progress()
    maker = EpochMaker(number=progress.epoch, next_offset=progress.next_offsets[0])
    driver.store.commit(replace(maker.make(admitted=0), rows=(changes,)))


def test_a_store_that_is_right_is_found_so(driver):
    found = judged(driver)
    assert (found.disagreements, found.left_out) == ((), ())
    assert found.rows == sum(driver.store.dump(fold.table).height for fold in FOLDS) > 50


@pytest.mark.parametrize(
    ("name", "column", "shown"),
    [
        ("sessions", "page_view_count", "page_view_count"),
        ("sessions", "value_micros", "value"),
        ("sessions", "end", "session_end"),
        ("shop_funnel", "at_1", "at_1"),
        ("daily_retention", "returned", "returned"),
        ("page_paths", "is_cut", "cut"),
        ("page_paths", "length", "length"),
        ("product_sessions", "left_out", "left_out"),
        ("cart_outcomes", "left_value", "left_value"),
    ],
)
def test_a_value_that_is_another_one_is_told(driver, name, column, shown):
    table = BY_NAME[name].table
    row = driver.store.dump(table).drop_nulls(column).row(0, named=True)
    wrong = {**row, column: 1 - row[column] if column == "is_cut" else row[column] + 40_000_000}
    damage(driver, row_changes(table, put=[tuple(wrong.values())]))
    told = [each for each in judged(driver).disagreements if each.about == f"story {name}"]
    assert shown in {each.key[-1] for each in told}
    assert {each.key[0] for each in told} == {row["userId"]}


def test_a_row_too_few_or_too_many_is_told(driver):
    table = BY_NAME["sessions"].table
    row = driver.store.dump(table).row(0)
    key = row[:2]
    damage(driver, row_changes(table, put=[("nobody", *row[1:])], delete=[key]))
    told = {
        each.key: (each.expected is None, each.found is None)
        for each in judged(driver).disagreements
        if each.about == "story sessions"
    }
    assert told == {key: (False, True), ("nobody", row[1]): (True, False)}


def test_what_hangs_on_deleted_events_is_left_out(driver):
    driver.log.trim(5)
    found = judged(driver)
    assert [each for each in found.disagreements if each.about.startswith("story")] == []
    assert "fold daily_retention: what its stories began with is deleted" in found.left_out
    assert not any(each.startswith("fold sessions") for each in found.left_out)


def test_stories_that_are_too_long_are_counted(driver, monkeypatch):
    monkeypatch.setattr(story_judge, "STORY_EVENTS_MAX", 10)
    found = judged(driver)
    assert found.disagreements == ()
    assert any("stories are too long to be judged" in each for each in found.left_out)


def test_a_fold_of_its_own_kind_is_left_out(driver):
    class Own(Sessions):
        pass

    assert not is_fold_judged(Fold("own", "", Own()))
    found = judged(driver, [Fold("sessions", "", Own()), Fold("absent", "", Sessions())])
    assert found.left_out == (
        "fold sessions: what it takes from events, the independent judge does not know",
        "fold absent: it is still being filled",
    )
    assert found.disagreements == ()


def test_what_is_made_of_fields_is_judged(tmp_path):
    steps = (
        FunnelStep("cheap", Compare(Property("price"), "<", 5)),
        FunnelStep("home", Equals(UrlPath(), "/")),
    )
    funnel = Fold("made", "", Funnel(steps, breakdown=Property("country"), breakdown_at="last"))
    driver = Driver((), tmp_path, folds=(funnel,))
    for number in range(12):
        driver.feed(
            {
                "eventId": f"e{number}",
                "userId": f"u{number % 3}",
                "eventType": "A",
                "timestamp": START_MS - 1000 * number,
                "pageUrl": f"https://shop.example/{'' if number % 2 else 'cart'}?n={number}",
                "properties": {"price": number, "country": "NZ" if number % 4 else None},
            }
        )
    assert {row["depth"] for row in driver.rows("made")} == {1, 2}
    found = judged(driver, [funnel])
    assert (found.disagreements, found.left_out) == ((), ())
    driver.close()
