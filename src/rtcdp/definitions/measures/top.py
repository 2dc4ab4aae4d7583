# ruff: noqa: S608 - only names and numbers of ours are put into SQL
"""The most frequent values of a field."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rtcdp.definitions.measures.contract import Fault, Measure, SqlOf, States, ValueType
from rtcdp.definitions.predicate import Predicate
from rtcdp.definitions.state import Side
from rtcdp.events.derived import Text, field_in_words, field_name

TOP_EXACT_UP_TO = 10_000
"""Top-k counts are exact while a key's window has at most this many different items. Beyond twice
that many, the lightest are dropped so that each count falls short by at most total / 10,000
(Misra and Gries 1982; merged as in Agarwal et al., Mergeable Summaries, 2012)."""

TOP_MAX = 1000
"""How many items a top-k measure may list."""

ITEM = "item"
ITEM_COUNT = "item_count"
"""The columns of an item table: the value, and how many events have it."""


@dataclass(frozen=True)
class TopK(Measure):
    """The `k` most frequent values of the field with their counts, most frequent first."""

    kind = "topk"

    name: str
    field: Text
    k: int = 10
    where: Predicate | None = None

    @property
    def value_type(self) -> ValueType:
        return "list"

    def side(self) -> Side:
        return Side("heaviest_items", self.field, TOP_EXACT_UP_TO)

    def final(self, states: States) -> list[object]:
        heaviest = (
            states.members.sort([ITEM_COUNT, ITEM], descending=[True, False])
            .group_by(states.group, maintain_order=True)
            .head(self.k)
        )
        lists: defaultdict[tuple[object, ...], list[dict[str, object]]] = defaultdict(list)
        for *group, item, count in heaviest.select(*states.group, ITEM, ITEM_COUNT).iter_rows():
            lists[tuple(group)].append({field_name(self.field): item, "count": count})
        return [lists[group] for group in states.columns.select(states.group).iter_rows()]

    def in_sql(self, sql: SqlOf) -> str:
        heaviest = (
            f"SELECT {ITEM}, {ITEM_COUNT} FROM {sql.side}"
            f" ORDER BY {ITEM_COUNT} DESC, {ITEM} LIMIT {self.k}"
        )
        return sql.json_list(heaviest, {field_name(self.field): ITEM, "count": ITEM_COUNT})

    def in_words(self) -> str:
        return f"the {self.k} most frequent {field_in_words(self.field)}, with their counts"

    def faults(self, before: Sequence[Measure]) -> Iterator[Fault]:
        del before
        if not 1 <= self.k <= TOP_MAX:
            yield Fault(f"{self.name} lists {self.k} items", f"let k be 1 to {TOP_MAX}")
