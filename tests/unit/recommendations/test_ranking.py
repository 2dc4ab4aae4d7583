"""An answer: what is left out, what steps in, how different it is, and why."""

import pytest

from rtcdp.recommendations import Model, Reason, Wish, index_of, keys_frame, ranked, recommended
from rtcdp.recommendations.ranking import popular, trending
from tests.unit.recommendations.test_session_index import frame

DAY = 86_400_000
SHOP = (
    ("a", 1, ["shoe", "sock", "lace"]),
    ("b", 2, ["shoe", "sock"]),
    ("c", 3, ["shoe", "hat"]),
    ("d", 4, ["tent", "lamp"]),
)


@pytest.fixture
def model():
    return Model(index_of(frame(*SHOP)))


def test_the_best_come_first_with_their_reason(model):
    found = recommended(model, ["shoe"], Wish(3, frozenset({"shoe"})))
    assert [each.item for each in found] == ["sock", "hat", "lace"]
    assert found[0].because == Reason("shoe", 2, 3)
    assert {each.source for each in found} == {"sessions"}


def test_what_is_excluded_is_not_there(model):
    found = recommended(model, ["shoe"], Wish(2, frozenset({"shoe", "sock", "unknown"})))
    assert [each.item for each in found] == ["hat", "lace"]


def test_what_is_popular_steps_in_and_is_said_so(model):
    found = recommended(model, ["tent"], Wish(3, frozenset({"tent"})))
    assert [(each.item, each.source) for each in found] == [
        ("lamp", "sessions"),
        ("shoe", "trending"),
        ("sock", "popular"),
    ]
    assert found[1].because is None


def test_what_trends_steps_in_before():
    old = [(f"u{day}", day * DAY, ["shoe"]) for day in range(20)]
    new = [(f"n{number}", 20 * DAY, ["kite"]) for number in range(4)]
    model = Model(index_of(frame(*old, *new)))
    found = recommended(model, [], Wish(2))
    assert [(each.item, each.source) for each in found] == [
        ("kite", "trending"),
        ("shoe", "popular"),
    ]


def test_one_s_own_session_gives_no_reason(model):
    own = model.index.numbers_of(keys_frame([("a", 1)]))
    found = recommended(model, ["shoe"], Wish(2, frozenset({"shoe"})), own)
    assert [(each.item, each.because) for each in found] == [
        ("hat", Reason("shoe", 1, 2)),
        ("sock", Reason("shoe", 1, 2)),
    ]


def test_diversity_prefers_what_is_unlike_the_rest():
    shoe = frozenset({"shoe"})
    rows = [(f"u{n}", n, ["shoe", "sock", "stocking"]) for n in range(5)]
    model = Model(index_of(frame(*rows, ("x", 9, ["shoe", "hat"]))))
    alike = [each.item for each in recommended(model, ["shoe"], Wish(2, shoe))]
    different = [each.item for each in recommended(model, ["shoe"], Wish(2, shoe, 0.7))]
    assert alike == ["sock", "stocking"]
    assert different == ["sock", "hat"]


def test_equal_ones_stand_by_the_alphabet(model):
    assert ranked(model.index, popular(model.index), 3) == [
        ("shoe", 3.0),
        ("sock", 2.0),
        ("hat", 1.0),
    ]


def test_nothing_at_all():
    model = Model(index_of(frame()))
    assert recommended(model, ["shoe"], Wish()) == []
    assert len(trending(model.index).codes) == 0
