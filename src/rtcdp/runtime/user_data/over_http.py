"""What an installation knows of its users, for whoever asks over HTTP."""

from collections.abc import Iterator
from contextlib import suppress

import msgspec

from rtcdp.answers.user_data import ErasureState
from rtcdp.clock import Clock
from rtcdp.errors import PartMissing
from rtcdp.runtime.deferred import deferred
from rtcdp.runtime.parts import log_reader, store_of
from rtcdp.runtime.settings import Settings
from rtcdp.runtime.user_data.requests import ErasureRequests
from rtcdp.store import StoreUnavailable

EXPORT_USER = "rtcdp.runtime.user_data.export:export_user"


class InstallationUserData:
    """See `rtcdp.answers.user_data.UserData`. An erasure is done by the processor that works with
    this data folder, or the next one that does."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._requests = ErasureRequests(settings.data_dir, clock)

    def export(self, user_id: str) -> Iterator[bytes]:
        """Line by line. Raises what log and store raise."""
        settings = self._settings
        with store_of(settings, read_only=True) as store, log_reader(settings) as log:
            for line in deferred(EXPORT_USER)(settings, log, store, user_id):
                yield msgspec.json.encode(line) + b"\n"

    def erase(self, user_id: str, by: str) -> ErasureState:
        """Raises `TooManyErasures`, and `PartMissing` where the engine can't do it, or nobody would
        hear of it."""
        if self._settings.engine != "native":
            raise PartMissing(
                f"the engine {self._settings.engine} can't take a user out",
                "stop it, and run rtcdp users erase",
            )
        if self._settings.store_path is None:
            # Somebody who could erase may have given way to them a moment ago.
            with suppress(StoreUnavailable):
                refuse_in_shards(self._settings, self._clock)
        if self._settings.store_path is None and not self._requests.has_taker():
            # Whoever shares a store on a server need not share the folder.
            raise PartMissing(
                "no processor that can erase works with this server's data folder",
                "run rtcdp users erase where the processor's data folder is; where processors "
                "count shards, stop all of them first",
            )
        return self._requests.ask(user_id, by)[0]

    def erasure(self, request_id: str) -> ErasureState:
        """Raises `NotThere`."""
        return self._requests.state(request_id)


def refuse_in_shards(settings: Settings, clock: Clock) -> None:
    """Raises `PartMissing` while processors of shards are at work, of which none can take a user
    out, and `StoreUnavailable`."""
    with store_of(settings, read_only=True) as store, store.snapshot() as snapshot:
        shards = snapshot.progress.shards
    if any(each.is_held(clock.now_ms()) for each in shards):
        raise PartMissing(
            "processors of shards are at work, and none of them can take a user out",
            "stop all of them, then run rtcdp users erase",
        )
