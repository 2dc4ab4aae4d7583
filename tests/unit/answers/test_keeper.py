"""By what a day is known again."""

from rtcdp.answers.freshness import Installation
from rtcdp.answers.keeper import Keeper, keeper_of, marks_of_rows
from rtcdp.clock import DAY_MS
from rtcdp.testing.driver import START_MS, Driver
from tests.unit.answers.days import event

FIRST = START_MS // DAY_MS


def test_the_mark_of_a_day_changes_with_its_events(shop: tuple[Driver, Installation]) -> None:
    """Also of what counts no events itself: users, and revenue by what products are."""
    driver, installation = shop
    metrics = {each.name: each for each in installation.metrics}
    names = ("revenue", "active_users", "top_pages")

    def marks() -> list[tuple[object, object]]:
        keeper = keeper_of(installation, [metrics[name] for name in names])
        found = []
        with installation.store.snapshot() as snapshot:
            for name in names:
                marks_of = keeper.marks_of_metric(snapshot, metrics[name])
                assert marks_of is not None
                found.append((marks_of[FIRST], marks_of[FIRST + 1]))
        return found

    before = marks()
    driver.feed(event("u1", START_MS + DAY_MS, "PURCHASE", value=1), intake="import")
    driver.process()
    after = marks()
    assert [one == other for (one, _), (other, _) in zip(before, after, strict=True)] == [True] * 3
    assert not any(one == other for (_, one), (_, other) in zip(before, after, strict=True))


def test_what_is_still_being_computed_is_not_known_again(
    shop: tuple[Driver, Installation],
) -> None:
    _, installation = shop
    users = next(each for each in installation.metrics if each.name == "active_users")
    sessions = next(each for each in installation.folds if each.name == "sessions")
    with installation.store.snapshot() as snapshot:
        assert Keeper(installation.days, ()).marks_of_metric(snapshot, users) is None
        assert marks_of_rows(snapshot, sessions.table) is not None
