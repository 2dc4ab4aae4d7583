"""Which event ids came lately: enough to tell a client about its duplicates, in bounded memory."""

from dataclasses import dataclass, field

import msgspec
import numpy as np

from rtcdp.log.log import Records

_NONE: frozenset[int] = frozenset()


@dataclass
class _Generation:
    """Hashes by source, taken in from `began_at` (UTC ms) on."""

    began_at: int = 0
    count: int = 0
    by_source: dict[str, set[int]] = field(default_factory=dict)


class _OnlyId(msgspec.Struct, rename="camel"):
    event_id: str | None = None


_decode_ids = msgspec.json.Decoder(_OnlyId).decode_lines


class RecentIds:
    """Hashes of the ids that were recorded within `window_ms`, about `max_ids` of them at most.

    There are two generations: the younger one takes ids in; when it is half a window old or holds
    half of what is allowed it becomes the older one, whose ids are forgotten. So an id is
    remembered for half a window at least (less when the memory is full) and never for longer than
    a window: what this calls a duplicate, admission will call a duplicate; not the other way round.
    """

    def __init__(self, max_ids: int, window_ms: int) -> None:
        self._half_ids = max(1, max_ids // 2)
        self._half_window_ms = window_ms // 2
        self._young = _Generation()
        self._old = _Generation()

    def __len__(self) -> int:
        return self._young.count + self._old.count

    def remember(self, source: str, id_hashes: list[int], received_at: int) -> int:
        """Take in the ids of one delivery of `source`; return how many of them came before.

        Ids repeated within the delivery count as well. `received_at` is in UTC ms.
        """
        if not id_hashes:
            return 0
        self._rotate(received_at)
        fresh = set(id_hashes)
        young = self._young.by_source.setdefault(source, set())
        fresh -= young
        # An id keeps the time of its first record: seen again, it does not move up.
        fresh -= self._old.by_source.get(source, _NONE)
        young |= fresh
        self._young.count += len(fresh)
        return len(id_hashes) - len(fresh)

    def prime(self, records: Records) -> None:
        """Take in the ids of records that are in the log already, oldest first."""
        ids = [line.event_id for line in _decode_ids(records.lines)]
        for code in np.unique(records.source_codes).tolist():
            places = np.flatnonzero(records.source_codes == code)
            hashes = [hash(ids[place]) for place in places.tolist() if ids[place]]
            oldest = int(records.received_at[places].min())
            for first in range(0, len(hashes), self._half_ids):
                some = hashes[first : first + self._half_ids]
                self.remember(records.sources[code], some, oldest)

    def _rotate(self, received_at: int) -> None:
        young = self._young
        is_aged = received_at - young.began_at >= self._half_window_ms
        if is_aged or young.count >= self._half_ids:
            self._old = young
            self._young = _Generation(began_at=received_at)
        if received_at - self._old.began_at > 2 * self._half_window_ms:
            self._old = _Generation()
