"""Who moves bytes over the network now, and how fast: when room is short, the slowest gives way.

Without this a few clients that send or read a byte a second could hold all the memory that there is
for bodies or answers until their time is over, and everybody else would be told to come back later.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

YOUNG_S = 0.5
"""Who has had less time than this is not called slow yet."""


class GaveWay(Exception):
    """This transfer was the slowest when another one needed the room."""


class Transfer:
    """One body or answer on its way. `held_bytes` is what it holds, `moved_bytes` how far it is."""

    def __init__(
        self, task: "asyncio.Task[object]", began_at: float, release: Callable[[int], None]
    ) -> None:
        self.held_bytes = 0
        self.moved_bytes = 0
        self.gave_way = False
        self.began_at = began_at
        self._task = task
        self._release = release

    def give_way(self) -> None:
        """Give back what is held, and end."""
        self.gave_way = True
        held, self.held_bytes = self.held_bytes, 0
        self._release(held)
        self._task.cancel()


class Transfers:
    """The transfers of one event loop that share one limit. `release` is told of bytes that are
    given back by one that gives way."""

    def __init__(self, release: Callable[[int], None]) -> None:
        self._release = release
        self._under_way: set[Transfer] = set()

    def __len__(self) -> int:
        return len(self._under_way)

    @property
    def held_bytes(self) -> int:
        """What all of them hold."""
        return sum(transfer.held_bytes for transfer in self._under_way)

    @contextmanager
    def under_way(self) -> Iterator[Transfer]:
        """A transfer by the current task. Raises `GaveWay` in it when it had to end."""
        task, now = asyncio.current_task(), asyncio.get_running_loop().time()
        assert task is not None
        transfer = Transfer(task, now, self._release)
        self._under_way.add(transfer)
        try:
            yield transfer
        except asyncio.CancelledError:
            if transfer.gave_way and task.uncancel() == 0:
                raise GaveWay from None
            raise
        finally:
            self._under_way.discard(transfer)

    def make_room(self) -> bool:
        """End the slowest of those that hold something and are not young; False if there is none.

        What it held is given back when this returns.
        """
        now = asyncio.get_running_loop().time()
        slow = [
            transfer
            for transfer in self._under_way
            if transfer.held_bytes and not transfer.gave_way and now - transfer.began_at >= YOUNG_S
        ]
        if not slow:
            return False
        min(slow, key=lambda each: each.moved_bytes / (now - each.began_at)).give_way()
        return True
