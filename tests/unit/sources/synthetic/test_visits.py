from collections import Counter

import numpy as np
import pytest

from rtcdp.sources.synthetic.visits import (
    LONGEST_WAIT_MS,
    SCRIPTS,
    Act,
    Intent,
    all_scripts,
    waits,
)

TABLE = all_scripts()


def acts_of(script):
    start = TABLE.starts[script]
    steps = slice(start, start + TABLE.lengths[script])
    return [
        (Act(act).name, product)
        for act, product in zip(TABLE.acts[steps], TABLE.products[steps], strict=True)
    ]


def test_a_script_is_told_act_by_act():
    told = [acts_of(script) for script in range(len(TABLE.starts))]
    assert [
        ("RESULTS", 0),
        ("SEARCH", 0),
        ("PRODUCT_PAGE", 0),
        ("PRODUCT_VIEW", 0),
        ("INTO_CART", 0),
        ("CART", 0),
        ("CHECKOUT", 0),
        ("PURCHASE", 0),
        ("THANKS", 0),
    ] in told
    assert [("PRODUCT_PAGE", 0), ("PRODUCT_VIEW", 0)] in told


@pytest.mark.parametrize("intent", Intent)
def test_scripts_are_drawn_by_their_shares(intent):
    drawn = TABLE.draw(np.full(40_000, intent, np.int8), np.random.default_rng(1))
    counts = Counter(drawn.tolist())
    total = sum(share for share, _ in SCRIPTS[intent])
    found = [counts[script] / 40_000 for script in TABLE.of_intent[intent]]
    assert found == pytest.approx([share / total for share, _ in SCRIPTS[intent]], abs=0.01)
    assert sum(found) == pytest.approx(1)


def test_who_bounces_sees_one_page():
    pages = {"HOME", "CATEGORY", "RESULTS", "PRODUCT_PAGE", "CART", "CHECKOUT", "THANKS"}
    for script in TABLE.of_intent[Intent.BOUNCE]:
        assert sum(act in pages for act, _ in acts_of(script)) == 1


def test_what_is_bought_was_put_into_the_cart_and_what_is_left_is_the_first():
    for script in range(len(TABLE.starts)):
        acts = acts_of(script)
        put = {product for act, product in acts if act == "INTO_CART"}
        bought = {product for act, product in acts if act == "PURCHASE"}
        assert bought == put or script in TABLE.of_intent[Intent.LATER] or not bought
        assert TABLE.leaves_cart[script] == (bool(put) and not bought)
        assert not TABLE.leaves_cart[script] or 0 in put


def test_waits_are_mostly_typical_and_never_end_a_session():
    drawn = waits(np.full(20_000, 60_000.0), np.random.default_rng(1))
    assert np.median(drawn) == pytest.approx(60_000, rel=0.05)
    assert drawn.min() >= 0
    assert drawn.max() == LONGEST_WAIT_MS < 30 * 60_000
