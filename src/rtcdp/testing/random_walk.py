"""A random walk over everything that can drift, and the shortest script of a failure.

A walk is a list of steps, made from a seed and nothing else, so that it can be run again with steps
left out. After each of some steps, and at the end, the judge is asked.
"""

import json
import random
import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rtcdp.admission.rules import AdmissionRules
from rtcdp.definitions import (
    AnyOf,
    Average,
    Buckets,
    Calendar,
    Compare,
    Count,
    Distinct,
    Maximum,
    Metric,
    Minimum,
    Present,
    Property,
    Sum,
    TopK,
    UrlHost,
    UrlPath,
    all_of,
    event_type,
    negate,
    sliding,
    tumbling,
)
from rtcdp.engines.native.limits import StoreRetention
from rtcdp.log.limits import Retention
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.simulation import POISON, Kept, Simulation

SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS = 1_000, 60_000, 3_600_000, 86_400_000

RULES = (
    AdmissionRules(),
    AdmissionRules(allowed_lateness_ms=60_000),
    AdmissionRules(max_clock_skew_ms=3_600_000, dedup_window_ms=600_000),
    AdmissionRules(allowed_lateness_ms=86_400_000, dedup_window_ms=7_200_000),
)
KEPT = Kept(
    Retention(max_age_ms=2 * DAY_MS, max_bytes=2**40, min_age_ms=HOUR_MS),
    StoreRetention(windows_ms=30 * DAY_MS, uncounted_ms=5 * DAY_MS),
)
PRICE, COUNTRY = Property("price"), Property("country")
METRICS = (
    Metric(
        "per_user", "", sliding(size_seconds=60, every_seconds=30), (Count("events"),), ("userId",)
    ),
    Metric(
        "value_of_day",
        "",
        tumbling(days=1),
        (Sum("total"), Average("mean"), Minimum("least"), Maximum("most"), Count("events")),
        ("source", "eventType"),
        negate(all_of(event_type("B"), Compare("value", "<", 0.1))),
    ),
    Metric(
        "in_panes",
        "",
        sliding(size_seconds=600, every_seconds=60),
        (Count("events"), Distinct("users", "userId"), Sum("total"), TopK("pages", "pageUrl", k=2)),
        predicate=Present("pageUrl"),
    ),
    Metric(
        "members",
        "",
        tumbling(hours=1),
        (
            Distinct("users", "userId"),
            Distinct("sessions", "sessionId"),
            TopK("products", "productId"),
        ),
        ("eventType",),
    ),
)
BESIDE = {
    0: Metric(
        "of_places",
        "",
        Calendar("day", "Europe/Berlin"),
        (Count("events"), Sum("paid", PRICE), Maximum("most", PRICE), Distinct("hosts", UrlHost())),
        (COUNTRY, UrlPath()),
        AnyOf((Compare(PRICE, ">=", 2), Present(UrlHost()))),
    ),
    3: Metric(
        "by_value",
        "",
        Calendar("week", "America/St_Johns", "sunday"),
        (Count("events", where=Present(COUNTRY)), TopK("countries", COUNTRY), Average("mean")),
        (Buckets("value", (0, 3, 20)),),
    ),
}
"""What is counted beside the metric of a number: what is made of fields, in calendars' windows."""
OTHER_DEFINITION = Metric("members", "", tumbling(minutes=5), (Count("events"),), ("source",))


@dataclass(frozen=True)
class Step:
    """Something that happens, by the name of a function of `_ACTIONS`, with plain arguments."""

    name: str
    arguments: tuple[Any, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}{self.arguments}"


def walk(seed: int, length: int, without: Collection[str] = ()) -> list[Step]:
    """So many steps, `without` those of some names; the same for the same seed."""
    rng = random.Random(seed)
    names = [name for name, weight in _WEIGHTS.items() for _ in range(weight)]
    names = [name for name in names if name not in without]
    chosen = [Step("start", (0, (0, 1, 2)))]
    for _ in range(length):
        name = rng.choice(names)
        chosen.append(Step(name, _ARGUMENTS[name](rng) if name in _ARGUMENTS else ()))
    return [*chosen, Step("judge")]


def perform(simulation: Simulation, step: Step) -> str:
    """Let a step happen. Returns what the judge says otherwise, where it is asked."""
    return _ACTIONS[step.name](simulation, *step.arguments) or ""


def failure_of(steps: Sequence[Step], install: Callable[[Path], Simulation] | None = None) -> str:
    """What the judge says otherwise, or what was raised, in some lines; empty when all is well."""
    with tempfile.TemporaryDirectory(dir=_fast_folder()) as directory:
        simulation = (install or _installed)(Path(directory))
        try:
            for step in steps:
                if found := perform(simulation, step):
                    return found
        except Exception as error:  # noqa: BLE001 - whatever is raised is a finding
            return f"{type(error).__name__}: {error}"
        finally:
            simulation.close()
    return ""


def shortest(
    steps: Sequence[Step], fails: Callable[[Sequence[Step]], str] = failure_of, tries: int = 400
) -> list[Step]:
    """The steps without those that the failure doesn't need: half of them are tried to be left out
    at once, then less and less (Zeller and Hildebrandt, Simplifying Failure-Inducing Input)."""
    kept, size = list(steps), max(1, len(steps) // 2)
    while tries > 0:
        position, is_shorter = 1, False
        while position < len(kept) and tries > 0:
            fewer = kept[:position] + kept[position + size :]
            tries -= 1
            if len(fewer) < len(kept) and fails(fewer):
                kept, is_shorter = fewer, True
            else:
                position += size
        if size == 1 and not is_shorter:
            break
        size = max(1, size // 2)
    return kept


def report(
    seed: int,
    length: int,
    without: Collection[str] = (),
    install: Callable[[Path], Simulation] | None = None,
) -> str:
    """Empty when the walk of this seed agrees with the judge; else the failure, the seed and the
    shortest script that shows it."""
    steps = walk(seed, length, without)
    if not failure_of(steps, install):
        return ""
    script = shortest(steps, lambda fewer: failure_of(fewer, install))
    lines = "\n".join(f"  {step}" for step in script)
    return f"seed {seed}, {length} steps: {failure_of(script, install)}\n{lines}"


def _fast_folder() -> str | None:
    """Memory, where there is a folder in it: the walk asks for syncs that nobody needs."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a folder of one walk


def _installed(directory: Path) -> Simulation:
    return Simulation(lambda: SqliteStore(directory / "store.db"), KEPT)


def _events(rng: random.Random) -> tuple[Any, ...]:
    """Records of one delivery as plain values, mostly with few ids, so that they come again."""
    return (
        rng.randrange(2),
        rng.choice(("shop", "shop", "app")),
        rng.choice(("live", "live", "live", "import")),
        tuple(_event(rng) for _ in range(rng.choice((1, 1, 2, 3, 8)))),
    )


def _event(rng: random.Random) -> tuple[Any, ...]:
    edges = (-3_600_000, -300_001, -300_000, -1, 0, 1, 60_000, 60_001, 600_000, 600_001)
    old = (86_400_001, 1_800_000_000_001)  # a day and a moment; before 1970, whatever the clock
    return (
        rng.choice((None, *range(12))),
        rng.choice((*edges, *old, *range(-30_000, 30_000, 7_001))),
        rng.choice(("A", "A", "B")),
        rng.choice(("ada", "ada", "bob", "é😀", POISON)),
        rng.choice((None, 0.1, -0.0, 0, 19.99, 8_589_934_592, -1e-6, 3)),
        rng.choice((None, "/a", "/b", "/c")),
        rng.randrange(30),
    )


def _raw(event: tuple[Any, ...], now_ms: int) -> bytes:
    """The bytes of an event; now and then of something that is none."""
    key, age_ms, kind, user, value, page, oddity = event
    if oddity == 0:
        return b'{"userId":"u","timestamp":1,"eventType":"A","x":1e999}'
    if oddity == 1:
        return b'{"userId":"u",\n"userId":"v"}'
    fields: dict[str, object] = {"userId": user, "eventType": kind, "timestamp": now_ms - age_ms}
    # The same id comes with the same bytes now and then, however the clock went on.
    if key is not None and oddity % 2:
        fields["timestamp"] = now_ms // (10 * MINUTE_MS) * 10 * MINUTE_MS
    if page is not None and oddity % 3 == 0:
        page = f"https://ada@Shop{oddity % 2}.example:8080{page}?from=/z#there"
    others = {"eventId": None if key is None else f"e{key}", "value": value, "pageUrl": page}
    others["properties"] = _properties(oddity, value)
    others |= {
        "sessionId": f"s{oddity % 3}",
        "productId": None if oddity > 20 else f"p{oddity % 4}",
    }
    if oddity == 2:
        others["eventId"] = "0:0"
    if oddity in (3, 4, 5):
        moment = datetime.fromtimestamp(now_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        fields["timestamp"] = f"{moment}.999999999Z"
    return json.dumps(fields | {name: v for name, v in others.items() if v is not None}).encode()


def _properties(oddity: int, value: object) -> dict[str, object] | None:
    """Texts, numbers and what is neither; none at all for every tenth event."""
    countries = ("de", "", "x" * 257, True, 3, 2.5, None, ["de"], -0.0, 1e16, 2**33 + 1)
    if oddity % 10 == 9:
        return None
    return {"country": countries[oddity % len(countries)], "price": value if oddity % 4 else "7"}


def _append(simulation: Simulation, partition: int, source: str, intake: Any, events: Any) -> None:
    now_ms = simulation.clock.now_ms()
    simulation.append([_raw(event, now_ms) for event in events], partition, source, intake)


def _append_again(simulation: Simulation, back: int, count: int, partition: int) -> None:
    """What came before comes once more, as history: an import that is repeated after days."""
    known = [r for r in simulation.log.records() if not r.is_corrupt]
    again = known[max(0, len(known) - back) :][:count]
    if again:
        simulation.append([r.raw for r in again], partition, again[0].source, "import")


def _append_crowd(simulation: Simulation, users: int) -> None:
    """So many users at one time."""
    now_ms = simulation.clock.now_ms()
    crowd = ((None, 0, "A", f"user-{n}", None, "/a", 20) for n in range(users))
    simulation.append([_raw(event, now_ms) for event in crowd])


def _lose_reply(simulation: Simulation) -> None:
    simulation.faults.replies_to_lose = 1


def _start(simulation: Simulation, rules: int, metrics: Sequence[int]) -> None:
    chosen = [METRICS[number] if number < 4 else OTHER_DEFINITION for number in metrics]
    chosen += [BESIDE[number] for number in metrics if number in BESIDE]
    simulation.start(chosen, RULES[rules])


def _start_again(simulation: Simulation, rules: int, metrics: Sequence[int]) -> None:
    simulation.faults.has_defect = False
    _start(simulation, rules, metrics)


def _cut(simulation: Simulation, records_per_read: int) -> None:
    simulation.records_per_read = records_per_read


def _die(simulation: Simulation, commits: int, after: bool) -> None:
    simulation.faults.commits_until_death = commits
    simulation.faults.dies_after_commit = after


def _defect(simulation: Simulation, *, is_there: bool) -> None:
    simulation.faults.has_defect = is_there


def _copy_back(simulation: Simulation, has_grown: bool) -> str:
    simulation.faults.commits_until_death = None
    growth = _raw((None, 0, "A", "somebody", 1, "/copy", 20), simulation.clock.now_ms())
    return simulation.bring_copy_back([growth] if has_grown else [])


def _judge(simulation: Simulation) -> str:
    simulation.faults.commits_until_death = None
    simulation.faults.replies_to_lose = 0
    if not simulation.is_running:
        simulation.start(METRICS[:3], RULES[0])
    simulation.count()
    return "\n".join(map(str, simulation.disagreements()[:5]))


_ACTIONS: dict[str, Callable[..., Any]] = {
    "start": _start,
    "start_again": _start_again,
    "append": _append,
    "append_again": _append_again,
    "append_crowd": _append_crowd,
    "lose_reply": _lose_reply,
    "advance": lambda simulation, ms: simulation.clock.advance(ms),
    "set_clock_ahead": lambda simulation, ms: simulation.clock.set_ahead(ms),
    "count": lambda simulation, rounds: simulation.count(rounds),
    "keep_house": lambda simulation: simulation.keep_house(),
    "cut_batches": _cut,
    "die_at_commit": _die,
    "break_engine": lambda simulation: _defect(simulation, is_there=True),
    "mend_engine": lambda simulation: _defect(simulation, is_there=False),
    "replay_dead_letters": lambda simulation: simulation.replay_dead_letters(),
    "copy_log": lambda simulation: simulation.copy_log(),
    "copy_back": _copy_back,
    "judge": _judge,
}
_WEIGHTS = {
    **{"append": 30, "append_again": 4, "advance": 14, "set_clock_ahead": 3, "count": 10},
    **{"start": 4, "start_again": 1, "keep_house": 4, "cut_batches": 3, "die_at_commit": 2},
    **{"break_engine": 1, "mend_engine": 1, "replay_dead_letters": 2, "lose_reply": 1, "judge": 1},
    **{"copy_log": 3, "copy_back": 2},
}
_ARGUMENTS: dict[str, Callable[[random.Random], tuple[Any, ...]]] = {
    "start": lambda rng: (rng.randrange(4), tuple(sorted(rng.sample(range(4), rng.randint(1, 4))))),
    "start_again": lambda rng: (rng.randrange(4), rng.choice(((0, 1, 2, 3), (0, 1, 2, 4)))),
    "append": _events,
    "append_again": lambda rng: (rng.randint(1, 60), rng.randint(1, 9), rng.randrange(2)),
    "advance": lambda rng: (
        rng.choice((1, SECOND_MS, 20 * SECOND_MS, MINUTE_MS, 10 * MINUTE_MS, HOUR_MS, 3 * DAY_MS)),
    ),
    "set_clock_ahead": lambda rng: (
        rng.choice((0, 0, 0, HOUR_MS, -HOUR_MS, 40 * DAY_MS, -DAY_MS, 59 * MINUTE_MS)),
    ),
    "count": lambda rng: (rng.choice((1, 1, 3, 1_000)),),
    "cut_batches": lambda rng: (rng.choice((1, 2, 5, 40, 1_000_000)),),
    "copy_back": lambda rng: (rng.random() < 0.7,),
    "die_at_commit": lambda rng: (rng.randrange(3), rng.random() < 0.5),
}
