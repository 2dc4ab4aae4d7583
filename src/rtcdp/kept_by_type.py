"""For how long events are kept, by their type, as a setting says it."""

import re
from collections.abc import Mapping

from rtcdp.clock import DAY_MS
from rtcdp.errors import UsageError

_ONE = re.compile(r"(?P<type>[A-Z][A-Z0-9_]{0,63})\s*=\s*(?P<days>[0-9]{1,5}(?:\.[0-9]{1,6})?)")


def kept_by_type(setting: str, text: str) -> Mapping[str, int]:
    """Types of events with how long (ms) each is kept, from `PAGE_VIEW=30, SEARCH=90`, in days; no
    type where the text is empty. Raises `UsageError`, which names the `setting`."""
    kept: dict[str, int] = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        found = _ONE.fullmatch(part)
        kept_ms = 0 if found is None else int(float(found["days"]) * DAY_MS)
        if found is None or kept_ms == 0 or found["type"] in kept:
            raise UsageError(
                f"{setting} says {part!r}",
                "give types of events, each once, with days: PAGE_VIEW=30, SEARCH=90",
            )
        kept[found["type"]] = kept_ms
    return kept
