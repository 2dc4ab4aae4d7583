"""The endless stream of generated lines: shoppers take turns, the dials spoil
some of it in one of the ways that lines are known to be malformed."""

import heapq
import re
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from hashlib import blake2b
from random import Random
from typing import Literal

from rtcdp.events.dead_letter import DeadLetterReason
from rtcdp.events.event import MAX_NESTING
from rtcdp.sources.recorded.wire_time import wire_timestamp
from rtcdp.sources.synthetic.dials import Dials, Quota
from rtcdp.sources.synthetic.shoppers import Action, Shop, Shopper, Visitors, user_names

_USER = re.compile(rb'"userId":"[^"]*"')
_TIMESTAMP = re.compile(rb'"timestamp":"[^"]*"')


@dataclass(frozen=True)
class Malformation:
    """`break_line` turns the bytes of a good event into bytes that are rejected as `reason`."""

    name: str
    reason: DeadLetterReason
    break_line: Callable[[bytes], bytes]


def _append(line: bytes, member: bytes) -> bytes:
    return line[:-1] + b"," + member + b"}"


MALFORMATIONS = (
    Malformation("cut in half", "not_json", lambda line: line[: len(line) // 2]),
    Malformation("no JSON at all", "not_json", lambda _: b"GET /health HTTP/1.1"),
    Malformation("NaN", "not_json", lambda line: _append(line, b'"weight":NaN')),
    Malformation(
        "invalid UTF-8",
        "not_utf8",
        lambda line: line.replace(b'"userId":"', b'"userId":"\xff\xfe', 1),
    ),
    Malformation("an array", "not_an_object", lambda line: b"[" + line + b"]"),
    Malformation(
        "one field twice",
        "duplicate_key",
        lambda line: _append(line, b'"userId":"someone else"'),
    ),
    Malformation(
        "no user", "missing_field", lambda line: line.replace(b'"userId"', b'"user_id"', 1)
    ),
    Malformation(
        "a number as user", "wrong_type", lambda line: _USER.sub(b'"userId":17', line, count=1)
    ),
    Malformation(
        "a number too large", "out_of_range", lambda line: _append(line, b'"weight":1e999')
    ),
    Malformation(
        "the character U+0000",
        "invalid_character",
        lambda line: line.replace(b'"userId":"', b'"userId":"\\u0000', 1),
    ),
    Malformation(
        "a type in small letters",
        "invalid_event_type",
        lambda line: line.replace(b'"eventType":"', b'"eventType":"web ', 1),
    ),
    Malformation(
        "a time in words",
        "invalid_timestamp",
        lambda line: _TIMESTAMP.sub(b'"timestamp":"yesterday"', line, count=1),
    ),
    Malformation(
        "nested too deep",
        "too_deep",
        lambda line: _append(line, b'"trail":' + b"[" * MAX_NESTING + b"]" * MAX_NESTING),
    ),
)


REPEATABLE_LINES = 1_000
REPEATABLE_MS = 60_000
"""A line is repeated within a minute, so that it comes back before it would be late."""

_SURELY_LATE_MS = (60_000, 3_600_000)

Flaw = Literal["malformed", "duplicate", "late"]
_FLAWS: tuple[Flaw, ...] = ("malformed", "duplicate", "late")


@dataclass(frozen=True)
class LineCounts:
    """How many lines of each kind there were. `fresh` are the good ones; all add up to `lines`."""

    lines: int = 0
    fresh: int = 0
    duplicate: int = 0
    late: int = 0
    malformed: int = 0


@dataclass
class _Visit:
    user_id: str
    session_id: str
    shopper: Shopper


class EventStream:
    """Wire lines, one JSON event each, without end. The same arguments give the same bytes.

    `run_ms` is the time the run starts at (UTC milliseconds). It is part of the event ids, so
    that a second run with the same seed makes new events. `users` see `user_names`.
    """

    def __init__(
        self, *, seed: int, run_ms: int, users: int = 5, dials: Dials | None = None
    ) -> None:
        self._dials = dials or Dials()
        self._random = Random(f"events {seed}")
        spoiling = Random(f"dials {seed}")
        self._spoiling = spoiling
        self._run = blake2b(f"{seed} {run_ms}".encode(), digest_size=5).hexdigest()
        self._quotas = {
            "malformed": Quota(self._dials.malformed, spoiling),
            "duplicate": Quota(self._dials.duplicates, spoiling),
            "late": Quota(self._dials.late, spoiling),
        }
        self._owed: dict[Flaw, int] = dict.fromkeys(_FLAWS, 0)
        self._hot = Quota(self._dials.hot_user, spoiling)
        self._nameless = Quota(self._dials.without_ids, spoiling)
        self._made: dict[str, int] = dict.fromkeys(("fresh", *_FLAWS), 0)
        self._repeatable: deque[tuple[int, bytes]] = deque(maxlen=REPEATABLE_LINES)
        self._events = 0
        self._visits_begun = 0
        self._open_the_shop(users)

    @property
    def counts(self) -> LineCounts:
        """What was made so far."""
        made = self._made
        return LineCounts(
            lines=sum(made.values()),
            fresh=made["fresh"],
            duplicate=made["duplicate"],
            late=made["late"],
            malformed=made["malformed"],
        )

    def lines(self, times_ms: Iterable[int]) -> list[bytes]:
        """One line for each time at which a line is sent (UTC ms, ascending), without newlines."""
        return [self._line(time_ms) for time_ms in times_ms]

    def _open_the_shop(self, users: int) -> None:
        names = user_names(users)
        shop = Shop()
        others = names
        if self._dials.hot_user and users > 1:
            others = names[1:]
        self._hot_visit = self._new_visit(names[0], shop)
        self._visitors = Visitors(others, self._random)
        self._turns = [
            (self._random.random(), place, self._new_visit(self._visitors.arrive(), shop))
            for place in range(self._visitors.places)
        ]
        heapq.heapify(self._turns)

    def _new_visit(self, user_id: str, shop: Shop) -> _Visit:
        return _Visit(user_id, self._new_session_id(), Shopper(shop, self._random))

    def _new_session_id(self) -> str:
        self._visits_begun += 1
        return f"s{self._run}-{self._visits_begun}"

    def _line(self, time_ms: int) -> bytes:
        flaw = self._next_flaw(time_ms)
        if flaw is None:
            self._made["fresh"] += 1
            return self._fresh(time_ms)
        self._made[flaw] += 1
        match flaw:
            case "duplicate":
                return self._spoiling.choice(self._repeatable)[1]
            case "late":
                return self._late(time_ms)
            case "malformed":
                malformation = self._spoiling.choice(MALFORMATIONS)
                return malformation.break_line(self._event(time_ms, with_id=True))

    def _next_flaw(self, time_ms: int) -> Flaw | None:
        """What is wrong with the next line. When two are due at once, one waits for its turn."""
        for flaw in _FLAWS:
            self._owed[flaw] += self._quotas[flaw].take()
        for flaw in _FLAWS:
            if self._owed[flaw] and (flaw != "duplicate" or self._can_repeat(time_ms)):
                self._owed[flaw] -= 1
                return flaw
        return None

    def _can_repeat(self, time_ms: int) -> bool:
        while self._repeatable and self._repeatable[0][0] < time_ms - REPEATABLE_MS:
            self._repeatable.popleft()
        return bool(self._repeatable)

    def _fresh(self, time_ms: int) -> bytes:
        event_ms = time_ms
        if self._dials.disorder_s:
            event_ms -= int(self._spoiling.random() * self._dials.disorder_s * 1000)
        with_id = not self._nameless.take()
        line = self._event(event_ms, with_id=with_id)
        if with_id and self._dials.duplicates:
            self._repeatable.append((time_ms, line))
        return line

    def _late(self, time_ms: int) -> bytes:
        too_old_ms = int(self._dials.allowed_lateness_s * 1000)
        too_old_ms += self._spoiling.randint(*_SURELY_LATE_MS)
        return self._event(time_ms - too_old_ms, with_id=not self._nameless.take())

    def _event(self, event_ms: int, *, with_id: bool) -> bytes:
        visit, action = self._next_action()
        self._events += 1
        event_id = f'"eventId":"{self._run}-{self._events}",' if with_id else ""
        return (
            f'{{{event_id}"userId":"{visit.user_id}","sessionId":"{visit.session_id}",'
            f'"timestamp":"{wire_timestamp(event_ms)}","eventType":"{action.event_type}"'
            f"{action.details}}}"
        ).encode()

    def _next_action(self) -> tuple[_Visit, Action]:
        if self._hot.take():
            return self._hot_visit, self._hot_action()
        while True:
            due_s, place, visit = self._turns[0]
            action = visit.shopper.step()
            if action is None:
                self._visitors.leave(visit.user_id)
                visit = replace(
                    visit, user_id=self._visitors.arrive(), session_id=self._new_session_id()
                )
            next_s = due_s + visit.shopper.thinking_s()
            heapq.heapreplace(self._turns, (next_s, place, visit))
            if action is not None:
                return visit, action

    def _hot_action(self) -> Action:
        while True:
            action = self._hot_visit.shopper.step()
            if action is not None:
                return action
            self._hot_visit.session_id = self._new_session_id()
