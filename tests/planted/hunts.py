"""Who looks for a planted bug: each hunt gives what it noticed, or an empty text."""

from collections.abc import Callable, Mapping, Sequence

from rtcdp.clock import ManualClock
from rtcdp.intake.group_commit import CommittedGroup, GroupCommit
from rtcdp.log.contract import Appended, Delivery
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


HUNTS: Mapping[str, Callable[[Bug], Sequence[Hunt]]] = {
    "walks": _walks,
    "documents": _documents,
    "acknowledgements": _acknowledgements,
}
