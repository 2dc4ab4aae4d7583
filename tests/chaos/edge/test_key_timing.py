"""How long a key is looked at tells nothing of how near it is: Welch's t-test between two kinds of
wrong keys, as dudect does it (Reparaz, Balasch and Verbauwhede: Dude, is my code constant time?,
2017). A comparison that stops at the first wrong letter shows that the test would see it."""

import random
import secrets
import time
from collections.abc import Callable

import numpy as np

from rtcdp.access.keyring import Keyring
from rtcdp.access.keys import KeyWish, key_id_in

CALLS = 40_000
LOUDEST = 10.0
"""Beyond this value of t the classes are told apart for sure (dudect's own limit)."""

SLOWEST_KEPT = 0.8
"""Of the slowest calls something else was the reason: an interrupt, another process."""


def told_apart(look: Callable[[str], object], first: str, second: str) -> float:
    """The absolute value of t between the times that the two take, asked in random order."""
    order = [random.getrandbits(1) for _ in range(CALLS)]
    # Each call gets a text of its own, since a text that was seen before is found faster.
    texts = [bytes((first, second)[which], "ascii").decode() for which in order]
    times = np.empty(CALLS)
    for number, text in enumerate(texts):
        began = time.perf_counter_ns()
        look(text)
        times[number] = time.perf_counter_ns() - began
    kept = times <= np.quantile(times, SLOWEST_KEPT)
    classes = [times[kept & (np.array(order) == which)] for which in (0, 1)]
    spread = sum(each.var(ddof=1) / len(each) for each in classes)
    return abs(float(classes[0].mean() - classes[1].mean())) / float(spread) ** 0.5


def made() -> tuple[Keyring, str]:
    ring, key = Keyring(), None
    for _ in range(100):
        ring, key = ring.with_new(KeyWish("shop", ("write",)), 0, secrets.token_bytes)
    assert key is not None
    assert key_id_in(key.token) == key.key.id
    return ring, key.token


def wrong_keys(token: str) -> tuple[str, str]:
    """One that is wrong from the first letters of its secret, and one that is so in its last ones.
    Both have the letters of the right one: to read letters may take what it takes."""
    begin = token.rindex("_") + 1
    secret = list(token[begin:])
    last = max(place for place, letter in enumerate(secret) if letter != secret[-1])
    near = secret.copy()
    near[last], near[-1] = near[-1], near[last]
    far = sorted(secret, reverse=secret[0] == min(secret))
    return token[:begin] + "".join(far), token[:begin] + "".join(near)


def test_a_key_that_is_nearly_right_takes_as_long_as_one_that_is_all_wrong() -> None:
    ring, token = made()
    # The best of three: what is in the code is there each time, what is in the machine is not.
    found = min(told_apart(ring.key_of, *wrong_keys(token)) for _ in range(3))
    assert found < LOUDEST


def test_a_comparison_that_stops_early_would_be_seen() -> None:
    _, token = made()

    def naive(given: str) -> bool:
        return all(mine == theirs for mine, theirs in zip(token, given, strict=True))

    assert min(told_apart(naive, *wrong_keys(token)) for _ in range(3)) > LOUDEST
