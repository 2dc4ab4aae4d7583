"""The dead letter: a record that can't be admitted, with the reason and the step that said so."""

from typing import Literal

import msgspec

DeadLetterReason = Literal[
    "corrupt",
    "not_utf8",
    "not_json",
    "not_an_object",
    "too_large",
    "too_deep",
    "duplicate_key",
    "missing_field",
    "wrong_type",
    "out_of_range",
    "invalid_character",
    "invalid_event_type",
    "invalid_timestamp",
    "not_mapped",
    "future",
    "processor_error",
]
"""Every reason there is. `corrupt` is the log's own: a stored record whose checksum fails.
`not_mapped` is a line of a recorded file that its mapping makes no event of, or a CloudEvent that
holds none. `processor_error` is
the engine's: a good event that it fails to count."""

Step = Literal["log", "parse", "validate", "clock", "lateness", "duplicate", "count"]


class Rejection(msgspec.Struct, frozen=True, gc=False):
    """Why a record is not an event: a reason from the closed list, the admission step that
    found it, and a sentence that says what to send instead."""

    reason: DeadLetterReason
    step: Step
    message: str
