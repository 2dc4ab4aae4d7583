"""Who looks for a planted bug: each hunt gives what it noticed, or an empty text."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from rtcdp.clock import ManualClock
from rtcdp.intake.group_commit import CommittedGroup, GroupCommit
from rtcdp.log.contract import Appended, Delivery
from rtcdp.log.envelope import WireBatch, headers_for, records_of
from rtcdp.testing.random_walk import failure_of, walk
from tests.planted.bugs import Bug
from tests.strict_rule import verdicts_that_differ

WALK_LENGTH = 40
SEEDS_MAX = 60
DOCUMENTS = 2_000

Hunt = Callable[[], str]


def hunts_for(bug: Bug) -> Sequence[Hunt]:
    """What to try for a bug, one after the other. Each is empty without the bug."""
    return HUNTS[bug.hunt](bug)


def _walks(bug: Bug) -> Sequence[Hunt]:
    if bug.script:
        return [lambda: failure_of(bug.script)]
    return [lambda seed=seed: failure_of(walk(seed, WALK_LENGTH)) for seed in range(SEEDS_MAX)]  # type: ignore[misc]


def _documents(_: Bug) -> Sequence[Hunt]:
    return [lambda: "\n".join(verdicts_that_differ(1, DOCUMENTS)[0])]


def _acknowledgements(_: Bug) -> Sequence[Hunt]:
    return [acknowledged_early]


def acknowledged_early() -> str:
    """Whether a delivery was acknowledged before the append of it had returned."""
    seen: list[str] = []

    class Writer:
        def append(self, deliveries: Sequence[Delivery]) -> Sequence[Appended]:
            seen.append("appended")
            return [Appended(0, 0, delivery.record_count) for delivery in deliveries]

        def close(self) -> None:
            """Nothing to release."""

    def acknowledge(_: CommittedGroup[str]) -> None:
        seen.append("acknowledged")

    commit = GroupCommit(Writer(), ManualClock(), 1_000, acknowledge)
    commit.start()
    commit.put([(Delivery(b"{}\n", 1, 0), "ticket")])
    commit.close()
    return "" if seen == ["appended", "acknowledged"] else f"in this order: {seen}"


def _marks(_: Bug) -> Sequence[Hunt]:
    return [believed_wrongly]


def believed_wrongly() -> str:
    """Which records of a topic are taken for events, of ours and others with marks and without,
    that the strict rule would not take, or that nobody but our collectors may vouch for."""
    good, bad = b'{"userId":"u","timestamp":1,"eventType":"A"}', b'{"userId":1}'
    ours = headers_for("shop", "live", None, is_judged=True)
    other = headers_for("shop", "live", None)
    told = [(good, ours), (bad, other), (good, None), (bad, None), (good, ours)]
    wrong = []
    for is_ours, more in (
        (True, []),
        (False, [(bad, ours)]),
        (True, [(good + b"\n" + good, ours)]),
    ):
        values, headers = zip(*told, *more, strict=True)
        count = len(values)
        batch = WireBatch(0, 0, count, values, np.arange(count), np.ones(count, np.int64), headers)
        found = records_of(batch, is_ours=is_ours)
        expected = [at for at, value in enumerate(values) if value == good]
        lines = found.lines.splitlines()
        if found.offsets.tolist() != expected or lines != [good] * len(expected):
            wrong.append(f"{found.offsets.tolist()} and not {expected}")
    return "; ".join(wrong)


HUNTS: Mapping[str, Callable[[Bug], Sequence[Hunt]]] = {
    "walks": _walks,
    "documents": _documents,
    "acknowledgements": _acknowledgements,
    "marks": _marks,
}
