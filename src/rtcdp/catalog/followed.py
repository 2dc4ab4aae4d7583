"""A catalog whose files may change while it is in use."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import overload

from rtcdp.catalog.catalog import Definition, load_definitions
from rtcdp.definitions import Fold, Metric
from rtcdp.errors import UsageError

LOOK_EVERY_S = 1.0
"""How often the folder is looked at, at most."""

_Mark = tuple[tuple[str, int, int], ...]


class FollowedCatalog(Sequence[Metric]):
    """The built-in metrics and those of a folder, as its files are now; beside them the `folds`.

    While a file is broken, all of them stay what they were, and `on_fault` is told once for each
    state of the folder. Raises `UsageError` when it is broken from the beginning.
    """

    def __init__(
        self,
        directory: Path | None,
        on_fault: Callable[[str], None] = lambda _: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory
        self._on_fault = on_fault
        self._monotonic = monotonic
        self._looking = Lock()
        self._mark = _mark_of(directory)
        self._looked_at = monotonic()
        self._take(load_definitions(directory))

    def _take(self, definitions: tuple[Definition, ...]) -> None:
        # One value, so that metrics and folds are always those of one state of the folder.
        self._now = (
            tuple(each for each in definitions if isinstance(each, Metric)),
            tuple(each for each in definitions if isinstance(each, Fold)),
        )

    @property
    def folds(self) -> tuple[Fold, ...]:
        """The built-in folds and those of the folder."""
        self.look()
        return self._now[1]

    @property
    def known(self) -> tuple[tuple[Metric, ...], tuple[Fold, ...]]:
        """The metrics and folds of one state of the folder: that of the last look."""
        return self._now

    def look(self) -> bool:
        """Look at the folder, if it is time to; True when something in it is another one now."""
        now = self._monotonic()
        if self._directory is None or now - self._looked_at < LOOK_EVERY_S:
            return False
        with self._looking:
            self._looked_at = now
            mark = _mark_of(self._directory)
            if mark == self._mark:
                return False
            self._mark = mark
            try:
                definitions = load_definitions(self._directory)
            except (UsageError, OSError) as error:
                hint = getattr(error, "hint", "")
                self._on_fault(f"the catalog stays as it was: {error}; {hint}".removesuffix("; "))
                return False
            before = self._now
            self._take(definitions)
            return self._now != before

    def __len__(self) -> int:
        return len(self._now[0])

    def __iter__(self) -> Iterator[Metric]:
        self.look()
        return iter(self._now[0])

    @overload
    def __getitem__(self, index: int) -> Metric: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Metric]: ...

    def __getitem__(self, index: int | slice) -> Metric | Sequence[Metric]:
        return self._now[0][index]


def _mark_of(directory: Path | None) -> _Mark:
    """Another one whenever a file was written, came or went."""
    if directory is None:
        return ()
    found = []
    for file in sorted(directory.glob("*.py")):
        try:
            stat = file.stat()
        except OSError:  # it went meanwhile
            continue
        found.append((file.name, stat.st_mtime_ns, stat.st_size))
    return tuple(found)
