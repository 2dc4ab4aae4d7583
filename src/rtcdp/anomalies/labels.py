"""Labels of incidents: what happened when and which events it touched; and how well alarms tell it.

An alarm is right when a label touches its series, to the same side, at its time. Of each incident
the first alarm that is right finds it. What recurs every night is nothing that has to be told, and
no mistake when it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import msgspec

from rtcdp.definitions import Metric, holds
from rtcdp.errors import UsageError
from rtcdp.events.derived import text_in

_FIELDS = ("eventId", "userId", "sessionId", "eventType", "productId", "pageUrl", "value")


class Touch(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Events that an incident makes more (`up`) or fewer (`down`) of: those of a type, and of one
    product or page where it is about one."""

    direction: Literal["up", "down"]
    event_type: str
    product_id: str | None = None
    page_url: str | None = None


class Label(msgspec.Struct, frozen=True, kw_only=True, rename={"begin": "from", "end": "to"}):
    """An incident: its cause, from when to when (times in UTC), and what it touches. One that
    `recurs` belongs to every day."""

    cause: str
    begin: datetime
    end: datetime
    touches: tuple[Touch, ...]
    recurs: bool = False


class Labels(msgspec.Struct, frozen=True, kw_only=True, rename={"begin": "from", "end": "to"}):
    """All incidents between two times, by their beginnings."""

    begin: datetime
    end: datetime
    incidents: tuple[Label, ...]


def instant_of(time_ms: int) -> datetime:
    """UTC milliseconds as a label has them."""
    return datetime.fromtimestamp(time_ms / 1000, UTC)


def ms_of(instant: datetime) -> int:
    return round(instant.timestamp() * 1000)


def read_labels(text: bytes) -> Labels:
    """The labels of a file. Raises `UsageError` for what is none."""
    try:
        labels = msgspec.json.decode(text, type=Labels)
    except msgspec.MsgspecError as error:
        raise UsageError(
            f"these are no labels: {error}", "take a file of rtcdp generate --labels FILE"
        ) from error
    times = [labels.begin, labels.end]
    times += [time for each in labels.incidents for time in (each.begin, each.end)]
    if any(time.tzinfo is None for time in times):
        raise UsageError("a time of the labels has no offset", "end it with Z")
    return labels


def write_labels(labels: Labels) -> bytes:
    """Labels as a file keeps them."""
    return msgspec.json.format(msgspec.json.encode(labels), indent=2) + b"\n"


@dataclass(frozen=True)
class Alarm:
    """What was told: of which series (`key` is empty for all keys together), when its window is
    (UTC ms), and to which side it was off."""

    metric: Metric
    key: dict[str, str]
    start_ms: int
    end_ms: int
    direction: str


@dataclass(frozen=True)
class Found:
    """Whether an incident was told: by how many alarms, and in which of its windows first, counted
    from 1 in windows of the metric that told it (None where none did)."""

    label: Label
    alarms: int
    first_window: int | None
    metric: str | None


@dataclass(frozen=True)
class Verdict:
    """How well alarms tell labelled incidents. `precision` is the share of `alarms` that are right,
    leaving aside those of what recurs; `recall` the share of incidents that were found. Each is
    None where there is nothing to divide by. `false_alarms` are those that no label explains."""

    found: tuple[Found, ...]
    alarms: int
    false_alarms: tuple[Alarm, ...]

    @property
    def precision(self) -> float | None:
        return 1 - len(self.false_alarms) / self.alarms if self.alarms else None

    @property
    def recall(self) -> float | None:
        if not self.found:
            return None
        return sum(each.alarms > 0 for each in self.found) / len(self.found)


def judge_alarms(labels: Labels, alarms: Sequence[Alarm]) -> Verdict:
    """How well `alarms` tell what the labels say. An alarm may come from an incident's first window
    to the one after its last."""
    causes = [[each for each in labels.incidents if _explains(each, alarm)] for alarm in alarms]
    singular = [label for label in labels.incidents if not label.recurs]
    counted = [
        (alarm, of_it)
        for alarm, of_it in zip(alarms, causes, strict=True)
        if not of_it or any(not label.recurs for label in of_it)
    ]
    return Verdict(
        found=tuple(_found(label, counted) for label in singular),
        alarms=len(counted),
        false_alarms=tuple(alarm for alarm, of_it in counted if not of_it),
    )


def _found(label: Label, counted: Sequence[tuple[Alarm, list[Label]]]) -> Found:
    right = [alarm for alarm, of_it in counted if label in of_it]
    if not right:
        return Found(label, 0, None, None)
    first = min(right, key=lambda alarm: alarm.end_ms)
    return Found(label, len(right), _windows_since(label, first), first.metric.name)


def _windows_since(label: Label, alarm: Alarm) -> int:
    """The number of the alarm's window, where the one in which the incident began is 1."""
    since_ms = max(0, alarm.start_ms - ms_of(label.begin))
    return -(-since_ms // (alarm.end_ms - alarm.start_ms)) + 1


def _explains(label: Label, alarm: Alarm) -> bool:
    size_ms = alarm.end_ms - alarm.start_ms
    is_then = ms_of(label.begin) < alarm.end_ms and alarm.start_ms < ms_of(label.end) + size_ms
    return is_then and any(_is_touched(touch, alarm) for touch in label.touches)


def _is_touched(touch: Touch, alarm: Alarm) -> bool:
    if touch.direction != alarm.direction:
        return False
    event: dict[str, object] = dict.fromkeys(_FIELDS)
    event |= {"properties": None, "eventType": touch.event_type}
    event |= {"productId": touch.product_id, "pageUrl": touch.page_url}
    if not holds(alarm.metric.predicate, event):
        return False
    if not alarm.key:
        return True
    has = dict(zip(alarm.metric.key_names, alarm.metric.key, strict=True))
    return all(text_in(has[name], event) in (None, text) for name, text in alarm.key.items())
