"""What rests in stores, word for word: names, types and fingerprints move on purpose only.

`python tests/unit/store/test_stored_layout.py` writes the texts anew.
"""

from pathlib import Path

import pytest

from rtcdp.catalog.catalog import load_catalog
from rtcdp.definitions import (
    Average,
    Compare,
    Count,
    Distinct,
    Maximum,
    Metric,
    Minimum,
    OneOf,
    Sum,
    TopK,
    all_of,
    event_type,
    negate,
    sliding,
    tumbling,
)
from rtcdp.definitions.enrichment import stored_metrics
from rtcdp.store.postgres.connection import POSTGRES
from rtcdp.store.sql.schema import relations_of
from rtcdp.store.sql.statements import Dialect
from rtcdp.store.sqlite.connection import SQLITE

GOLDEN = Path(__file__).parent / "golden"
DIALECTS = {"sqlite": SQLITE, "postgresql": POSTGRES}

_EVERYTHING = (
    Count("events"),
    Sum("total"),
    Average("mean"),
    Minimum("low"),
    Maximum("high"),
    Distinct("products", "productId"),
    TopK("pages", "pageUrl", k=3),
)
_WHERE = all_of(negate(OneOf("eventType", ("A", "B"))), Compare("value", ">=", 1.5))
EVERY_NODE = (
    Metric("written_out", "W", tumbling(minutes=1), _EVERYTHING, ("userId", "productId"), _WHERE),
    Metric("in_panes", "P", sliding(size_seconds=60, every_seconds=10), _EVERYTHING, ("userId",)),
    Metric("without_key", "N", sliding(size_seconds=60, every_seconds=10), _EVERYTHING),
    Metric("one_type", "O", tumbling(days=1), (Count("n"),), (), event_type("PURCHASE")),
)


def metrics() -> list[Metric]:
    return [*stored_metrics(load_catalog()), *EVERY_NODE]


def layout(dialect: Dialect) -> str:
    parts = []
    for metric in metrics():
        parts.append(f"-- {metric.name}")
        for relation in relations_of(dialect, metric):
            parts += [f"-- {relation.kind} {relation.name}", *relation.statements]
    return "\n".join(parts) + "\n"


def fingerprints() -> str:
    return "".join(f"{metric.name} {metric.fingerprint}\n" for metric in metrics())


def texts() -> dict[str, str]:
    return {
        "fingerprints.txt": fingerprints(),
        **{f"{name}.sql": layout(dialect) for name, dialect in DIALECTS.items()},
    }


@pytest.mark.parametrize("name", ["fingerprints.txt", "sqlite.sql", "postgresql.sql"])
def test_what_rests_in_stores_is_as_it_was(name: str) -> None:
    assert texts()[name] == (GOLDEN / name).read_text()


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name, text in texts().items():
        (GOLDEN / name).write_text(text)
