"""All that is known of a user, as somebody asks for it from outside: to have it, or to have it
erased, which takes a while and is told by its state."""

from collections.abc import Iterator
from typing import Any, Literal, Protocol

import msgspec

from rtcdp.errors import RtcdpError

USER_DATA_PATH, ERASURES_PATH = "/api/user-data/", "/api/erasures/"

ErasureStage = Literal["waiting", "erasing", "done", "failed"]


class ErasureState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far an erasure is that was asked for. `id` names the request; `asked_at` is UTC, and `by`
    who asked. One that is `done` has its signed `receipt`, and one that `failed` has changed
    nothing and says why. The user is not named."""

    id: str
    state: ErasureStage
    asked_at: str
    by: str
    receipt: dict[str, Any] | None = None
    trouble: str | None = None


class TooManyErasures(RtcdpError):
    """So many wait already that no more are taken."""


class UserData(Protocol):
    """What an installation knows of its users, one by one."""

    def export(self, user_id: str) -> Iterator[bytes]:
        """All that is known of a user, as JSON lines; what an erasure takes out."""
        ...

    def erase(self, user_id: str, by: str) -> ErasureState:
        """Ask for an erasure, durably; who asks again while one waits is told of that one. Raises
        `TooManyErasures`, and `PartMissing` where nobody could do it."""
        ...

    def erasure(self, request_id: str) -> ErasureState:
        """How far it is. Raises `NotThere`."""
        ...
