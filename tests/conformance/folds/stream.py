"""Shoppers' events as they come in: out of order, again, too late, at once, and old ones imported.

Which of them are admitted is known from how they were made, and not from any rule of the product's.
"""

import random

import msgspec

from rtcdp.admission.rules import AdmissionRules
from rtcdp.log.contract import Delivery
from rtcdp.testing.memory_log import MemoryLog

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
START_MS = 1_767_225_600_000
RULES = AdmissionRules(allowed_lateness_ms=2 * HOUR, dedup_window_ms=DAY)
GAP = 30 * MINUTE
TYPES = ("PAGE_VIEW",) * 12 + ("ADD_TO_CART",) * 3 + ("PURCHASE", "SEARCH", "PING")


class Stream:
    """`deliveries` to a log, in order, and the events of them that are `admitted`."""

    def __init__(self, seed: int, count: int = 320) -> None:
        self._rng = random.Random(seed)
        self.deliveries: list[Delivery] = []
        self.admitted: list[dict[str, object]] = []
        self._number = 0
        self._sent: list[tuple[int, bytes]] = []
        now = START_MS
        for _ in range(count):
            now += self._rng.choice((1, 1_000, 40_000, 5 * MINUTE, 20 * MINUTE))
            self._happens(now)
        self._import_history(now)
        for pause in (GAP - 1, GAP, GAP + 1):
            self._edge(now, pause)

    def log(self, records_per_read: int) -> MemoryLog:
        """All of it in a log that gives so many records at a time."""
        log = MemoryLog(lambda: records_per_read)
        log.append(self.deliveries)
        return log

    def _happens(self, now: int) -> None:
        chance = self._rng.random()
        if chance < 0.06 and self._sent:
            # The same again; soon enough to be known.
            self._deliver(self._rng.choice(self._sent[-20:])[1], now)
        elif chance < 0.1:
            self._deliver(self._encoded(self._event(now - 2 * HOUR - 1)), now)
        else:
            is_disordered = chance < 0.35
            back = self._rng.choice((0, 1, 7 * MINUTE, GAP, 100 * MINUTE)) if is_disordered else 0
            self._admit(self._event(now - back), now)

    def _import_history(self, now: int) -> None:
        """Days of before the start, and a moment between two live events."""
        for day in range(8):
            for _ in range(3):
                at = START_MS - day * DAY + self._rng.randrange(12) * 10 * MINUTE
                self._admit(self._event(at), now, is_import=True)

    def _edge(self, now: int, pause: int) -> None:
        user = f"edge {pause - GAP:+}"
        for at in (now, now + pause):
            self._admit({**self._event(at), "timestamp": at, "userId": user}, at)

    def _event(self, at: int) -> dict[str, object]:
        rng, self._number = self._rng, self._number + 1
        user = "hot" if rng.random() < 0.25 else f"user {rng.randrange(14)}"
        told = self._named(at)
        return {
            **told,
            "eventId": f"e{self._number:05d}" if rng.random() < 0.9 else None,
            "userId": user,
            # Some happen at once.
            "timestamp": at // 40_000 * 40_000 if rng.random() < 0.3 else at,
            "eventType": rng.choice(TYPES),
            "sessionId": rng.choice((None, "s", "t")),
            "productId": rng.choice((None, "shoe", "sock", "é\n")),
            "pageUrl": rng.choice((None, "/", "/cart", '/"q"')),
            "value": rng.choice((None, 0.25, -2.5, 1e6, 3)),
        }

    def _named(self, at: int) -> dict[str, object]:
        """Some events name a recommendation, of the hour or of long ago."""
        # Another source of chance, so that all else stays as it is.
        rng = random.Random(self._number)
        if rng.random() < 0.5:
            return {}
        audience = rng.choice(("recommended", "held_out"))
        given = at // HOUR * HOUR - rng.choice((0, 0, HOUR, 9 * HOUR))
        name = f"user-{audience}-{given:013d}-{rng.randrange(2):016x}"
        return {"properties": {"recommendationId": name}}

    def _admit(self, event: dict[str, object], now: int, *, is_import: bool = False) -> None:
        # Rounded down, it must not become too late.
        if not is_import and event["timestamp"] < now - 2 * HOUR:
            event["timestamp"] = now - 2 * HOUR
        raw = self._encoded(event)
        self._deliver(raw, now, is_import=is_import)
        self.admitted.append(event)
        if event["eventId"] is not None:
            self._sent.append((now, raw))

    def _encoded(self, event: dict[str, object]) -> bytes:
        return msgspec.json.encode({k: v for k, v in event.items() if v is not None}) + b"\n"

    def _deliver(self, line: bytes, now: int, *, is_import: bool = False) -> None:
        intake = "import" if is_import else "live"
        self.deliveries.append(Delivery(line, 1, now, source="shop", intake=intake))
