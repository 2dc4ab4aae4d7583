"""Admission: which records count, decided once, from the record alone.

The steps stand in `STEPS`, in order: parse → validate → clock → lateness → duplicate. The first two
are `rtcdp.events.codec`, the last is `rtcdp.admission.event_id_index`; the two in the middle are
here. They work on single integers and on whole columns alike, so that every engine and the oracle
run the same rule.
"""

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from rtcdp.admission.rules import AdmissionRules

STEPS = ("parse", "validate", "clock", "lateness", "duplicate")

Times = TypeVar("Times", int, npt.NDArray[np.int64])


FUTURE_MESSAGE = "timestamp lies too far after the intake; check the sender's clock"
LATE_MESSAGE = "the event came later than the allowed lateness; send history to /v1/import"


def ahead_of_clock(event_time: Times, received_at: Times, rules: AdmissionRules) -> Times:
    """By how many ms the clock rule is broken; above 0 the record is a dead letter ("future")."""
    return event_time - received_at - rules.max_clock_skew_ms


def behind_lateness(event_time: Times, received_at: Times, rules: AdmissionRules) -> Times:
    """By how many ms the lateness rule is broken; above 0 a live record is late."""
    return received_at - event_time - rules.allowed_lateness_ms


ASSIGNED = "\0"
"""What an id that a client can't give begins with: no text of an event holds this character."""


def assigned_id(replay_of: str) -> str:
    """The event id, of a namespace of its own, of a replayed dead letter that brought none."""
    return ASSIGNED + replay_of


def position_id(partition: int, offset: int) -> str:
    """The event id of a record that brought none: its position in the log."""
    return f"{partition}:{offset}"
