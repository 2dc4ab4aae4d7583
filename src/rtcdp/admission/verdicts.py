"""What admission decides of a record, and how its decisions are written down: shapes of data."""

from typing import Literal, get_args

import polars as pl

LEDGER_SCHEMA = pl.Schema(
    {
        "source": pl.String,
        "minute": pl.Int64,
        "received": pl.Int64,
        "admitted": pl.Int64,
        "duplicate": pl.Int64,
        "late": pl.Int64,
        "dead_letter": pl.Int64,
        "conflict": pl.Int64,
        "erased": pl.Int64,
    }
)
"""`minute` is the start of the intake minute in UTC ms. Always: received = admitted + duplicate +
late + dead_letter + erased. `conflict` counts those duplicates that came with another content."""

UNCOUNTED_SCHEMA = pl.Schema(
    {
        "partition": pl.Int64,
        "offset": pl.Int64,
        "source": pl.String,
        "received_at": pl.Int64,
        "verdict": pl.String,
        "reason": pl.String,
        "step": pl.String,
        "message": pl.String,
        "event_id": pl.String,
        "user_id": pl.String,
        "event_time": pl.Int64,
        "raw": pl.Binary,
    }
)
"""One row per record that was not counted. `verdict` is duplicate, late, dead_letter or erased;
`raw` holds the record's bytes for late events and dead letters, and is null for others. Of an
erased one nothing is told but its place, its source and when it came."""

UNCOUNTED_READ_SCHEMA = pl.Schema([*UNCOUNTED_SCHEMA.items(), ("replayed_at", pl.Int64())])
"""What a store tells of one: also when it was sent again (UTC ms), null where it was not."""

RECORDED_SCHEMA = pl.Schema({"offset": pl.Int64, "verdict": pl.String, "reason": pl.String})
"""The recorded verdicts of some offsets of a partition, in their order: one row per record that was
not counted."""

Verdict = Literal["admitted", "duplicate", "late", "dead_letter", "erased"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
