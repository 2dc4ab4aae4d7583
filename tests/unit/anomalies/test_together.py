"""Series that go together, and windows in which they don't, though each by itself is ordinary."""

import numpy as np

from rtcdp.anomalies import Series, judge
from rtcdp.anomalies.together import LEARNED_DAYS, Together, judge_together
from rtcdp.clock import DAY_MS
from rtcdp.definitions import USUAL

PER_DAY, DAYS = 96, 30
START = 1_767_225_600_000
STARTS = START + np.arange(PER_DAY * DAYS, dtype=np.int64) * (DAY_MS // PER_DAY)
BROKEN = 25 * PER_DAY + 30


def shop(seed: int = 3) -> list[np.ndarray]:
    """Views and purchases, which rise and fall together by chance and by the hour, and errors,
    which don't care."""
    chance = np.random.default_rng(seed)
    hour = 2 * np.pi * np.arange(len(STARTS)) / PER_DAY
    crowd = np.exp(chance.normal(0, 0.25, len(STARTS))) * (1 + 0.5 * np.sin(hour))
    means = (400 * crowd, 120 * crowd, np.full(len(STARTS), 60.0))
    return [chance.poisson(mean).astype(float) for mean in means]


def together(values: list[np.ndarray], end: int | None = None) -> Together:
    parts = [each[:end] for each in values]
    judged = [judge(Series(each, PER_DAY, len(each)), USUAL) for each in parts]
    return judge_together(STARTS[:end], parts, judged, PER_DAY, USUAL)


def test_what_does_not_go_together_is_told_though_each_is_ordinary() -> None:
    values = shop()
    hour = 1 + 0.5 * np.sin(2 * np.pi * BROKEN / PER_DAY)
    values[0][BROKEN], values[1][BROKEN] = round(400 * 1.35 * hour), round(120 * 0.6 * hour)
    for each in values:
        alone = judge(Series(each, PER_DAY, len(each)), USUAL)
        assert abs(alone.surprise[BROKEN]) < 3
    found = together(values)
    assert found.is_alarm[BROKEN]
    views, purchases, errors = found.apart[BROKEN]
    assert views > 5
    assert purchases < -5
    assert abs(errors) < 3
    # So many views bring more than twice as many purchases.
    assert found.likely[BROKEN, 1] > 1.5 * values[1][BROKEN]


def test_what_goes_together_is_hardly_ever_told() -> None:
    told = [together(shop(seed)).is_alarm.sum() for seed in range(4)]
    weeks = (DAYS - LEARNED_DAYS) / 7
    assert sum(told) / len(told) < weeks


def test_what_rises_together_is_nothing() -> None:
    values = shop()
    for each in values[:2]:
        each[BROKEN] = np.round(each[BROKEN] * 1.3)
    assert not together(values).is_alarm[BROKEN]


def test_days_are_judged_by_those_before_and_the_first_ones_not_at_all() -> None:
    values = shop()
    whole, part = together(values), together(values, 20 * PER_DAY)
    np.testing.assert_array_equal(part.apart, whole.apart[: 20 * PER_DAY])
    np.testing.assert_array_equal(part.is_alarm, whole.is_alarm[: 20 * PER_DAY])
    known = np.flatnonzero(~np.isnan(whole.apart).any(axis=1))
    assert known[0] >= LEARNED_DAYS * PER_DAY
    assert known[0] % PER_DAY == 0
