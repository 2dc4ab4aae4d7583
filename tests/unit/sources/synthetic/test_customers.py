import numpy as np
import pytest

from rtcdp.clock import DAY_MS
from rtcdp.sources.synthetic.customers import Customers
from rtcdp.sources.synthetic.visits import Intent, all_scripts

SCRIPTS = all_scripts()
FIRST_DAY = 20_000
DAYS = 14
USERS = 4_000


@pytest.fixture(scope="module")
def days():
    """The visits of each day."""
    customers = Customers(USERS, (FIRST_DAY, DAYS), SCRIPTS, np.array([3.0, 4.0]))
    customers.introduce(np.random.default_rng(1))
    return [customers.visits(day, np.random.default_rng([1, day])) for day in range(DAYS)]


def test_everybody_comes_once_at_least(days):
    assert set(np.concatenate([day.users for day in days])) == set(range(USERS))


def test_a_visit_begins_on_its_day(days):
    for number, day in enumerate(days):
        assert {time // DAY_MS for time in day.times_ms.tolist()} == {FIRST_DAY + number}


def test_a_shop_is_busier_in_the_evening_than_at_night(days):
    hours = np.concatenate([day.times_ms for day in days]) % DAY_MS // 3_600_000
    assert (hours == 20).sum() > 5 * (hours == 3).sum()


def test_who_comes_back_bounces_more_seldom(days):
    met, bounces = set(), {True: [], False: []}
    for day in days:
        for user, intent in zip(day.users.tolist(), day.intents.tolist(), strict=True):
            bounces[user in met].append(intent == Intent.BOUNCE)
        met |= set(day.users.tolist())
    assert np.mean(bounces[True]) < np.mean(bounces[False]) - 0.1


def test_a_cart_is_come_back_for_by_who_left_it_and_for_what_was_in_it(days):
    left = {}
    came_back = 0
    for day in days:
        for at in np.argsort(day.times_ms, kind="stable").tolist():
            user, product = int(day.users[at]), int(day.products[at, 0])
            if day.intents[at] == Intent.LATER:
                came_back += 1
                waited_ms = day.times_ms[at] - left[user, product]
                assert waited_ms >= 3_600_000
            elif SCRIPTS.leaves_cart[day.scripts[at]]:
                left.setdefault((user, product), day.times_ms[at])
    assert came_back > 20


def test_products_are_wanted_as_much_as_they_are(days):
    products = np.concatenate([day.products for day in days])
    assert (products == 0).mean() == pytest.approx(0.75, abs=0.02)
