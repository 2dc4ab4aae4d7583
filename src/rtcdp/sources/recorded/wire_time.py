"""Event times as they are written into the wire format."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from rtcdp.events.event import MAX_TIMESTAMP_MS, MIN_TIMESTAMP_MS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def wire_timestamp(instant_ms: int) -> str | int:
    """UTC milliseconds as ISO-8601 text with milliseconds and Z.

    A time that no event may have is returned as it is.
    """
    if not MIN_TIMESTAMP_MS <= instant_ms <= MAX_TIMESTAMP_MS:
        return instant_ms
    second, millisecond = divmod(instant_ms, 1000)
    return f"{_second_text(second)}.{millisecond:03d}Z"


@lru_cache(maxsize=4096)
def _second_text(second: int) -> str:
    return (_EPOCH + timedelta(seconds=second)).isoformat()[:19]
