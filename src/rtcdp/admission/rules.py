"""The limits of admission. Data alone, so that settings can be read without any library."""

from dataclasses import dataclass

SEEN_IDS_CAPACITY = 32_000_000
"""How many event ids are remembered, unless a setting says otherwise."""


@dataclass(frozen=True)
class AdmissionRules:
    """The limits of admission, in milliseconds.

    `max_clock_skew_ms`: how far an event's time may lie after its intake. `allowed_lateness_ms`:
    how far before. `dedup_window_ms`: how long an event id is remembered, in intake time.
    """

    max_clock_skew_ms: int = 300_000
    allowed_lateness_ms: int = 600_000
    dedup_window_ms: int = 3_600_000
