"""How good recommendations are: the next item of each session, guessed from those before it.

Recorded sessions are gone through in the order of time, and each guess is made of the sessions that
had ended by then alone. Beside the product's own way stand simpler ones, on the same guesses.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from rtcdp.clock import DAY_MS
from rtcdp.recommendations.neighbourhood import PLAIN_NEIGHBOURS, USUAL, Taste
from rtcdp.recommendations.ranking import NO_SESSIONS, popular, ranked
from rtcdp.recommendations.scoring import Scores, last_items, scored
from rtcdp.recommendations.session_index import SessionIndex, index_of, keys_frame
from rtcdp.recommendations.session_part import ITEMS, SESSIONS_SCHEMA, START, USER

CLICKS_SCHEMA = pl.Schema({"session": pl.String(), "at": pl.Int64(), "item": pl.String()})
"""An item that was looked at in a session, at a time (UTC ms)."""

FEW, MANY = 10, 20
"""Among how many guesses the next item is looked for."""


Way = Callable[[SessionIndex, Sequence[str]], Scores]
"""Gives points to what may come next, of a session up to now."""


@dataclass(frozen=True)
class Plan:
    """The last `held_out_days` are guessed. What has ended is known after `refresh_ms` at most."""

    held_out_days: int = 1
    refresh_ms: int = 300_000


@dataclass(frozen=True)
class Quality:
    """Of a way: in which share of the guesses the next item was among the first 10 and 20, the mean
    of 1/rank among 20, which share of all known items was ever guessed, and the time (ms) that half
    of the guesses, and 99 in 100, took at most."""

    way: str
    hit_rate_10: float
    hit_rate_20: float
    mrr_20: float
    coverage_20: float
    ms_p50: float
    ms_p99: float


@dataclass(frozen=True)
class Evaluation:
    """The ways that were compared, on how many `guesses` in so many `sessions`. The next item had
    never been seen before, and nothing could be guessed, in `unknown` other cases. `known_sessions`
    were there before the first guess, with `known_items`."""

    qualities: Sequence[Quality]
    guesses: int
    unknown: int
    sessions: int
    known_sessions: int
    known_items: int


@dataclass(frozen=True)
class _Guess:
    """What was looked at in a session until a time, and what came next."""

    at: int
    before: Sequence[str]
    following: str


def _of_taste(taste: Taste) -> Way:
    return lambda index, before: scored(index, last_items(index, before, taste), NO_SESSIONS, taste)


def co_occurrence(index: SessionIndex, before: Sequence[str]) -> Scores:
    """What most sessions hold together with the last item."""
    codes = index.codes_of(before[-1:])
    if len(codes) == 0:
        return Scores(NO_SESSIONS, np.zeros(0))
    _, sessions = index.entries_of(int(codes[0]), index.session_count)
    beside = index.codes[index.items_of(sessions)[0]]
    different, counts = np.unique(beside, return_counts=True)
    return Scores(different.astype(np.int64), counts.astype(np.float64))


WAYS: Mapping[str, Way] = {
    "popular": lambda index, _: popular(index),
    "beside the last item": co_occurrence,
    "nearest neighbours, plain": _of_taste(PLAIN_NEIGHBOURS),
    "rtcdp": _of_taste(USUAL),
}
"""The product's own way, and those that it is to be better than."""

ABLATIONS: Mapping[str, Way] = {
    "rtcdp without rules": _of_taste(replace(USUAL, rules=0.0)),
    "rtcdp without rules back": _of_taste(replace(USUAL, rules_back=0.0)),
    "rtcdp without fading": _of_taste(replace(USUAL, fading=1.0)),
    "rtcdp without nearness": _of_taste(replace(USUAL, near_items=0.0)),
    "rtcdp without age": _of_taste(replace(USUAL, old_days=0.0)),
    "rtcdp without length": _of_taste(replace(USUAL, shortness=0.0)),
    "rtcdp without rarity": _of_taste(replace(USUAL, rarity=0.0)),
    "rtcdp, rules alone": _of_taste(replace(USUAL, rules=1.0)),
}
"""The same with a part of it taken away."""


def evaluate(
    clicks: pl.DataFrame,
    ways: Mapping[str, Way],
    plan: Plan = Plan(),
    show: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Guess the next item in all sessions that end in the last days, as `CLICKS_SCHEMA` has them.
    The same item again at once is no next one. `show` is told how far it is."""
    sessions = _sessions(clicks)
    ends = sessions["end"].to_numpy()
    cut = int(ends.max()) - plan.held_out_days * DAY_MS if len(ends) else 0
    held_out = sessions.filter(pl.col("end") > cut)
    guesses = sorted(_guesses(held_out), key=lambda guess: guess.at)
    tallies = {name: _Tally() for name in ways}
    unknown = done = 0
    known = items = 0
    for index, some in _in_turn(sessions, guesses, cut, plan.refresh_ms):
        known, items = known or index.session_count, items or int((index.counts > 0).sum())
        for guess in some:
            if len(index.codes_of([guess.following])) == 0:
                unknown += 1
                continue
            for name, way in ways.items():
                tallies[name].add(index, way, guess)
        done += len(some)
        if show is not None:
            show(done, len(guesses))
    return Evaluation(
        [tally.quality(name, items) for name, tally in tallies.items()],
        len(guesses) - unknown,
        unknown,
        held_out.height,
        known,
        items,
    )


class _Tally:
    """What came of the guesses of one way."""

    def __init__(self) -> None:
        self._ranks: list[int] = []
        self._seconds: list[float] = []
        self._guessed: set[str] = set()

    def add(self, index: SessionIndex, way: Way, guess: _Guess) -> None:
        began = time.perf_counter()
        scores = way(index, guess.before)
        best = [item for item, _ in ranked(index, scores, MANY, guess.before[-1:])]
        self._seconds.append(time.perf_counter() - began)
        self._guessed.update(best)
        self._ranks.append(best.index(guess.following) + 1 if guess.following in best else 0)

    def quality(self, way: str, items: int) -> Quality:
        ranks = np.array(self._ranks or [0])
        hits = ranks[ranks > 0]
        ms = np.array(self._seconds or [0.0]) * 1000
        return Quality(
            way,
            float((hits <= FEW).sum() / len(ranks)),
            float(len(hits) / len(ranks)),
            float((1 / hits).sum() / len(ranks)),
            min(1.0, len(self._guessed) / max(1, items)),
            float(np.percentile(ms, 50)),
            float(np.percentile(ms, 99)),
        )


def _sessions(clicks: pl.DataFrame) -> pl.DataFrame:
    """One row a session: as `SESSIONS_SCHEMA`, with its `end` and the times (`at`) of its items."""
    ordered = clicks.sort("session", "at", maintain_order=True)
    is_again = (pl.col("item") == pl.col("item").shift()) & (
        pl.col("session") == pl.col("session").shift()
    )
    kept = ordered.with_columns(pl.col("at").max().over("session").alias("end")).filter(
        ~is_again.fill_null(False)
    )
    return (
        kept.group_by("session", maintain_order=True)
        .agg(
            pl.col("at").first().alias(START),
            pl.col("end").first(),
            pl.col("item").alias(ITEMS),
            pl.col("at"),
        )
        .rename({"session": USER})
    )


def _guesses(sessions: pl.DataFrame) -> Iterator[_Guess]:
    for items, times in sessions.select(ITEMS, "at").iter_rows():
        for place in range(1, len(items)):
            yield _Guess(times[place], items[:place], items[place])


def _in_turn(
    sessions: pl.DataFrame, guesses: Sequence[_Guess], cut: int, refresh_ms: int
) -> Iterator[tuple[SessionIndex, list[_Guess]]]:
    """Guesses in the order of time, some at once, with the index of what had ended before."""
    names = SESSIONS_SCHEMA.names()
    sessions = sessions.sort("end")
    ends = sessions["end"].to_numpy()
    known = int(np.searchsorted(ends, cut, side="right"))
    index, first = index_of(sessions[:known].select(names)), 0
    while first < len(guesses):
        slot = guesses[first].at // refresh_ms
        last = first
        while last < len(guesses) and guesses[last].at // refresh_ms == slot:
            last += 1
        ended = max(known, int(np.searchsorted(ends, slot * refresh_ms)))
        if ended > known:
            index = index.changed(sessions[known:ended].select(names), keys_frame(()))
            known = ended
        yield index, list(guesses[first:last])
        first = last
