"""A measure of one's own: one file, and every part of the product knows it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rtcdp.admission.rules import AdmissionRules
from rtcdp.catalog.definition import faults_of
from rtcdp.definitions import (
    Count,
    EventFields,
    Measure,
    Metric,
    Part,
    Ratio,
    SqlOf,
    States,
    event_type,
    measure_in_words,
    tables_of,
    tumbling,
)
from rtcdp.store.sql.views import views_of
from rtcdp.store.sqlite.connection import SQLITE
from rtcdp.testing.driver import START_MS, Driver
from rtcdp.verify.oracle import Oracle


@dataclass(frozen=True)
class LargeShare(Measure):
    """Which share of the events has a value above a limit."""

    kind = "large_share"

    name: str
    limit: int

    @property
    def fields(self) -> tuple[str, ...]:
        return ("value",)

    def parts(self) -> tuple[Part, ...]:
        is_large = f'CASE WHEN "value" > {self.limit} THEN 1 ELSE 0 END'
        return (
            Part(f"{self.name}__large", "integer", "add", is_large),
            Part(f"{self.name}__all", "integer", "add", "1"),
        )

    def of_event(self, event: EventFields) -> Sequence[float | None]:
        value = event["value"]
        return (1 if isinstance(value, float) and value > self.limit else 0, 1)

    def final(self, states: States) -> list[object]:
        large, everything = (states.columns[part.name] for part in self.parts())
        return (large / everything).to_list()

    def in_sql(self, sql: SqlOf) -> str:
        large, everything = (sql.column(part.name) for part in self.parts())
        return f"CAST({large} AS {sql.real}) / {everything}"

    def in_words(self) -> str:
        return f"the share of events above {self.limit}"


METRIC = Metric(
    "values",
    "V",
    tumbling(minutes=1),
    (
        LargeShare("share", limit=10),
        Count("orders", where=event_type("PURCHASE")),
        Count("visits", where=event_type("PAGE_VIEW")),
        Ratio("conversion", of="orders", to="visits"),
    ),
    ("userId",),
)


def test_a_measure_of_ones_own_is_stored_folded_answered_and_shown_in_sql(
    tmp_path: Path,
) -> None:
    assert faults_of(METRIC) == []
    driver = Driver([METRIC], tmp_path)
    for kind, value in [("PURCHASE", 12.5), ("PAGE_VIEW", None), ("PAGE_VIEW", 3.0)]:
        event = {"userId": "ada", "eventType": kind, "timestamp": START_MS, "value": value}
        driver.feed(event)
    driver.feed({"userId": "bob", "eventType": "PURCHASE", "timestamp": START_MS})
    ada, bob = driver.windows("values")
    assert (ada["share"], ada["conversion"]) == (1 / 3, 0.5)
    assert (bob["share"], bob["conversion"], bob["visits"]) == (0.0, None, 0)

    (table,) = tables_of(METRIC)
    width = len(table.primary_key)
    found = {row[:width]: list(row[width:]) for row in driver.dump()["values"].rows()}
    assert found == Oracle([METRIC], AdmissionRules()).feed(driver.log.records()).rows["values"]
    driver.close()


def test_its_value_is_a_column_of_sql() -> None:
    (view,) = views_of(SQLITE, METRIC)
    columns = {column.name: column.sql for column in view.columns}
    assert columns["share"] == 'CAST(b."share__large" AS REAL) / b."share__all"'
    assert columns["conversion"].startswith('CASE WHEN CAST(b."visits" AS INTEGER) <> 0 THEN')


def test_it_is_put_into_words() -> None:
    assert measure_in_words(METRIC.measures[0]) == "the share of events above 10"


def test_a_ratio_names_numbers_that_stand_before_it() -> None:
    wrong = Metric("m", "M", tumbling(minutes=1), (Ratio("r", "a", "b"), Count("a"), Count("b")))
    messages = [fault.message for fault in faults_of(wrong)]
    assert messages == [
        "r divides by or from 'a', which is no number before it",
        "r divides by or from 'b', which is no number before it",
    ]
