"""Installations that have told stories: events folded into a real store, without an engine."""

from collections.abc import Sequence
from dataclasses import replace

from rtcdp.answers.freshness import Installation
from rtcdp.catalog.catalog import load_folds
from rtcdp.definitions import Fold
from rtcdp.engines.folding import Folding
from rtcdp.engines.notices import NOTICES, with_notices
from rtcdp.store import RowChanges, Store
from rtcdp.testing.epochs import EpochMaker
from tests.stories import Row, batches, event, frame_of

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
START = 1_767_225_600_000
"""2026-01-01T00:00:00Z"""


class ShownTime:
    """A clock that stands."""

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic(self) -> float:
        return self._now_ms / 1000


class Teller:
    """The only writer of a store, which folds what it is given."""

    def __init__(self, store: Store, folds: Sequence[Fold] = ()) -> None:
        self.store = store
        self.folds = tuple(folds) or load_folds()
        self._folding = Folding(self.folds, store)
        self._epochs = EpochMaker()
        store.prepare((), (*self._folding.tables, NOTICES))

    def tell(self, events: Sequence[Row], received_at: int, cuts: Sequence[int] = (10**6,)) -> None:
        """Commit events in batches; all of them came at `received_at`."""
        for batch in batches(events, cuts):
            number = self._epochs.number + 1
            changes = with_notices(self._folding.fold(frame_of(batch), number), self.folds, number)
            epoch = self._epochs.make(admitted=len(batch), received_at=received_at)
            self.store.commit(replace(epoch, rows=changes))
            self._folding.committed()

    def erase(self, *changes: RowChanges) -> None:
        """Commit changes to rows, with what tells of them, in an epoch without events."""
        number = self._epochs.number + 1
        epoch = self._epochs.make(admitted=0)
        self.store.commit(replace(epoch, rows=with_notices(changes, self.folds, number)))

    def installation(self, now_ms: int, **changes: object) -> Installation:
        """What answers are read from, at a time."""
        read = Installation(self.store, (), ShownTime(now_ms), folds=self.folds)
        return replace(read, **changes)  # type: ignore[arg-type]


def visits() -> list[Row]:
    """Two days of a shop: a purchase, a cart that is left, a bounce, and a user with slashes."""
    at = START

    def one(number: int, time: int, type_: str, user: str, **fields: object) -> Row:
        return event(at + time, type_, user, eventId=f"e{number:02d}", **fields)

    return [
        one(1, 0, "PAGE_VIEW", "ada", pageUrl="/", sessionId="a"),
        one(2, 2 * MINUTE, "PAGE_VIEW", "ada", pageUrl="/p/1", productId="1", sessionId="a"),
        one(3, 3 * MINUTE, "ADD_TO_CART", "ada", productId="1", sessionId="a"),
        one(4, 5 * MINUTE, "PURCHASE", "ada", productId="1", value=19.99, sessionId="a"),
        one(5, HOUR, "PAGE_VIEW", "bob", pageUrl="/", sessionId="b"),
        one(6, HOUR + MINUTE, "PAGE_VIEW", "bob", pageUrl="/p/2", productId="2"),
        one(7, HOUR + 2 * MINUTE, "ADD_TO_CART", "bob", productId="2"),
        one(8, 23 * HOUR + 30 * MINUTE, "PAGE_VIEW", "eve", pageUrl="/"),
        one(9, DAY, "PAGE_VIEW", "a/b", pageUrl="/"),
        one(10, DAY + 8_000, "PAGE_VIEW", "a/b", pageUrl="/p/1", productId="1"),
        one(11, DAY + HOUR, "PAGE_VIEW", "ada", pageUrl="/p/2", productId="2"),
        one(12, DAY + HOUR + MINUTE, "SEARCH", "ada"),
    ]


def carts() -> list[Row]:
    """Three days of carts: two are bought, one of them twice put into, one is anybody's guess."""

    def one(number: int, after: int, type_: str, user: str, product: str, value: object) -> Row:
        fields = {"eventId": f"e{number}", "productId": product, "value": value}
        return event(START + after, type_, user, **fields)

    return [
        one(1, 0, "ADD_TO_CART", "ada", "kite", 10.1),
        one(2, 5 * MINUTE, "PURCHASE", "ada", "kite", 9.0),
        one(3, HOUR, "ADD_TO_CART", "ada", "kite", 0.2),
        one(4, 2 * HOUR, "ADD_TO_CART", "a/b~c", "la~mp-", None),
        one(5, DAY, "ADD_TO_CART", "bob", "lamp", 20.0),
        one(6, DAY + HOUR, "PURCHASE", "bob", "lamp", 20.5),
        one(7, 2 * DAY + 23 * HOUR, "ADD_TO_CART", "eve", "kite", 7.0),
    ]
