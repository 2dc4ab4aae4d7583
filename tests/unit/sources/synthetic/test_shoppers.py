from collections import Counter
from random import Random

import pytest

from rtcdp.errors import UsageError
from rtcdp.sources.synthetic.shoppers import Shop, Shopper, Visitors, user_names


def test_a_few_users_have_letters_and_many_have_numbers():
    assert user_names(5) == ("user_A", "user_B", "user_C", "user_D", "user_E")
    assert user_names(6)[0] == "user_0001"
    assert user_names(12_345)[-1] == "user_12345"


@pytest.mark.parametrize("users", [0, -1, 1_000_001])
def test_the_number_of_users_has_limits(users):
    with pytest.raises(UsageError):
        user_names(users)


def test_the_shop_is_the_same_every_time():
    assert Shop().products == Shop().products


def test_a_few_products_get_most_of_the_interest():
    shop, random = Shop(), Random(1)
    seen = Counter(shop.product(random).product_id for _ in range(20_000))
    top_ten = sum(count for _, count in seen.most_common(10))
    assert top_ten > 8_000
    assert len(seen) == len(shop.products)


def test_only_what_is_in_the_cart_is_bought():
    shopper = Shopper(Shop(), Random(3))
    cart: Counter[str] = Counter()
    bought = 0
    for _ in range(20_000):
        action = shopper.step()
        if action is None:
            cart.clear()
            continue
        product = action.details.partition('"productId":"')[2].partition('"')[0]
        if action.event_type == "ADD_TO_CART":
            cart[product] += 1
        if action.event_type == "PURCHASE":
            assert cart[product] > 0
            cart[product] -= 1
            bought += 1
    assert bought > 100


def test_a_user_is_inside_once_at_most():
    visitors = Visitors(user_names(5), Random(1))
    assert {visitors.arrive() for _ in range(visitors.places)} == set(user_names(5))
