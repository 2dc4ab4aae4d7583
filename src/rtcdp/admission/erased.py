"""Whose events are not taken any more: of users who were erased, what happened before that.

The rule: an event of an erased user whose time lies before the erasure is `erased`, whenever and
however it comes in, so that an old file or a topic that is read again brings nobody back. What they
do afterwards counts like anybody's. A user is known again by a salted hash alone.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import polars as pl

_DIGEST_BYTES = 16


@dataclass(frozen=True)
class ErasedUser:
    """Somebody who was erased at `erased_at` (UTC ms): the digest of their id under a salt (both
    hex)."""

    digest: str
    salt: str
    erased_at: int

    @classmethod
    def of(cls, user_id: str, salt: str, erased_at: int) -> "ErasedUser":
        """What is to be remembered of a user."""
        return cls(erased_digest(user_id, salt), salt, erased_at)


def erased_digest(user_id: str, salt: str) -> str:
    """What a user id is known again by: BLAKE2b, keyed with the salt (hex)."""
    key = bytes.fromhex(salt)
    return blake2b(user_id.encode(), key=key, digest_size=_DIGEST_BYTES).hexdigest()


class ErasedUsers:
    """Tells the events of erased users from others, in columns. Costs a hash for each different
    user of a batch, and nothing while nobody was erased."""

    def __init__(self, users: Iterable[ErasedUser] = ()) -> None:
        self._until: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for user in users:
            known = self._until[user.salt]
            known[user.digest] = max(user.erased_at, known.get(user.digest, user.erased_at))

    def __bool__(self) -> bool:
        return bool(self._until)

    def erased_until(self, user_id: str) -> int | None:
        """Before which time (UTC ms) a user's events are erased; None for everybody else."""
        found = (known.get(erased_digest(user_id, salt)) for salt, known in self._until.items())
        return max((until for until in found if until is not None), default=None)

    def among(self, events: pl.DataFrame) -> npt.NDArray[np.bool_]:
        """Which of these events (`userId`, `timestamp` in UTC ms) are erased."""
        until = {
            user: at
            for user in (events["userId"].unique() if self else ())
            if user is not None and (at := self.erased_until(user)) is not None
        }
        if not until:
            return np.zeros(events.height, np.bool_)
        ends = events["userId"].replace_strict(until, default=None, return_dtype=pl.Int64)
        return (events["timestamp"] < ends).fill_null(False).to_numpy()


NOBODY_ERASED = ErasedUsers()
