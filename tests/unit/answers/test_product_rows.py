"""Of the rows that a store has, the newest are held, whatever came and went before."""

import pytest

from rtcdp.answers.freshness import open_reading
from rtcdp.answers.product_history import product_fold
from rtcdp.answers.product_rows import Bounds, Held, followed, held_in
from rtcdp.testing.epochs import row_changes
from tests.stories import event
from tests.told import DAY, HOUR, MINUTE, START

NEWEST_THREE = Bounds(START, 3)


def view(user, at):
    return event(START + at, user=user, productId="hat", eventId=f"{user}{at}")


def users_of(held):
    return [user for user, *_ in held.index.sessions().rows()]


class Follower:
    """Holds the newest three sessions of a store, and follows it."""

    def __init__(self, teller):
        self.teller, self.epoch, self.held = teller, 0, None

    def users(self):
        """Who is held now, which is who would be held by somebody who reads anew."""
        read = self.teller.installation(START + DAY)
        with open_reading(read) as reading:
            snapshot, fold = reading.snapshot, product_fold(read.folds)
            anew = held_in(snapshot, fold, NEWEST_THREE)
            if self.held is None:
                self.held = anew
            else:
                before = Held(self.held.index, self.held.edge)
                self.held, is_all = followed(snapshot, fold, before, self.epoch, NEWEST_THREE)
                assert is_all
            self.epoch = snapshot.progress.epoch
        assert users_of(self.held) == users_of(anew)
        assert self.held.edge == anew.edge
        return users_of(self.held)

    def users_without(self, user, at):
        """The same when a session is erased."""
        fold = product_fold(self.teller.installation(START).folds)
        self.teller.erase(row_changes(fold.table, delete=[(user, START + at)]))
        return self.users()


@pytest.fixture
def follower(make_teller):
    teller = make_teller()
    names = enumerate(("ada", "bob", "cay", "dan", "eva", "fay"))
    teller.tell([view(user, hour * HOUR) for hour, user in names], START + DAY)
    return Follower(teller)


def test_the_next_older_ones_take_the_place_of_those_that_are_erased(follower):
    assert follower.users() == ["dan", "eva", "fay"]
    assert follower.users_without("eva", 4 * HOUR) == ["cay", "dan", "fay"]
    assert follower.users_without("dan", 3 * HOUR) == ["bob", "cay", "fay"]
    assert follower.users_without("fay", 5 * HOUR) == ["ada", "bob", "cay"]
    assert follower.users_without("ada", 0) == ["bob", "cay"]


def test_what_is_older_than_all_that_are_held_waits_like_those_that_are_there(follower):
    assert follower.users() == ["dan", "eva", "fay"]
    late = [view(user, 150 * MINUTE) for user in ("zoe", "abe", "kim")]
    follower.teller.tell(late, START + DAY)
    assert follower.users() == ["dan", "eva", "fay"]
    assert follower.users_without("fay", 5 * HOUR) == ["abe", "dan", "eva"]
    assert follower.users_without("eva", 4 * HOUR) == ["abe", "kim", "dan"]
    assert follower.users_without("dan", 3 * HOUR) == ["abe", "kim", "zoe"]
    assert follower.users_without("kim", 150 * MINUTE) == ["cay", "abe", "zoe"]
