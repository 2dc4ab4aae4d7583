"""How far the independent judge says that an attempt comes, against what one sees oneself."""

import pytest

from rtcdp.definitions import Fold, event_type
from rtcdp.folds.funnels import Funnel, FunnelStep
from rtcdp.verify.funnel_judge import attempts_told
from rtcdp.verify.plain import plain_fold
from tests.stories import event

SHOP = tuple(FunnelStep(name, event_type(name)) for name in ("VIEW", "CART", "BUY"))
HOUR = 3_600_000


def told(story, **options):
    """(entered at, depth) of each attempt of a story: types at their times."""
    events = [
        {**event(time, type_), "eventId": f"e{number}"}
        for number, (time, type_) in enumerate(story)
    ]
    fold = plain_fold(Fold("shop", "", Funnel(SHOP, **options)))
    return [(entered, row["depth"]) for entered, row in attempts_told(fold, events)]


@pytest.mark.parametrize(
    ("story", "options", "expected"),
    [
        # The second cart, not the nearest one, is soon enough before the purchase.
        ([(0, "VIEW"), (1, "CART"), (5, "CART"), (7, "BUY")], {"step_within_ms": 5}, [(0, 3)]),
        # At one time, in whatever order.
        ([(3, "BUY"), (3, "CART"), (3, "VIEW")], {}, [(3, 3)]),
        # An event fills one step.
        ([(0, "VIEW"), (0, "CART")], {}, [(0, 2)]),
        ([(0, "VIEW"), (1, "A"), (2, "CART")], {"order_of_steps": "strict"}, [(0, 1)]),
        ([(0, "BUY"), (1, "VIEW"), (2, "CART")], {"order_of_steps": "any"}, [(0, 3)]),
        ([(0, "VIEW"), (1, "CART"), (9, "BUY")], {"within_ms": 8}, [(0, 2)]),
        ([(0, "VIEW"), (1, "A"), (2, "CART")], {"exclusion": event_type("A")}, [(0, 1)]),
        # What ends an attempt does not come between two steps when it comes with one of them.
        ([(0, "VIEW"), (2, "A"), (2, "CART")], {"exclusion": event_type("A")}, [(0, 2)]),
        ([(0, "CART"), (1, "BUY")], {"is_open": True}, [(0, 3)]),
        # Of an hour the farthest is told, of equals the earliest.
        ([(0, "VIEW"), (1, "VIEW"), (HOUR, "VIEW"), (HOUR + 1, "CART")], {}, [(0, 2), (HOUR, 2)]),
        # The next attempt begins when the one before is over.
        (
            [(0, "VIEW"), (1, "VIEW"), (6, "VIEW"), (7, "CART"), (8, "BUY"), (9, "VIEW")],
            {"by": "attempt", "within_ms": 5},
            [(0, 1), (6, 3), (9, 1)],
        ),
    ],
)
def test_how_far_attempts_come(story, options, expected):
    assert sorted(told(story, **options)) == expected
