"""The counts of a collector."""

import msgspec

from rtcdp.intake.problem import RefusalCode


class CollectorStats(msgspec.Struct, frozen=True):
    """What the collector did since it started, and what it holds now.

    `requests`, `events`, `rejected`, `duplicates` and `bytes` are of deliveries only that are in
    the log now, without what was imported before; `refused` counts the other requests by code.
    `commit_s` is the time in appends.
    """

    requests: int
    events: int
    rejected: int
    duplicates: int
    bytes: int
    refused: dict[RefusalCode, int]
    groups: int
    group_requests_max: int
    commit_s: float
    commit_s_max: float
    pending_requests: int
    pending_bytes: int
    recent_ids: int
