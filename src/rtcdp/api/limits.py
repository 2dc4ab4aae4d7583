"""What one client of the API may cost. Data alone, like `rtcdp.events.rules`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ApiLimits:
    """What one client may cost.

    `live_clients` streams at once; a tick every `live_every_ms`. A drill-down request reads at
    most `events_bytes` of the log, in slices of `slice_bytes`. `ready_lag_ms` is how far behind
    the server may be and still call itself ready.
    """

    live_clients: int = 100
    live_every_ms: int = 500
    events_bytes: int = 8 * 2**20
    slice_bytes: int = 2**20
    ready_lag_ms: int = 60_000
