"""What keeps the processor from working, for whoever is asked why the answers stand still.

The processor is a process of its own, and the one that answers questions may not share more with it
than the data folder: so the processor leaves a note there, and takes it away when all is well.
"""

from contextlib import suppress
from pathlib import Path

from rtcdp.errors import RtcdpError
from rtcdp.runtime.settings import Settings

_BYTES_MAX = 4_000


class TroubleNote:
    """The note of the processor of an installation. What can't be written is not: it is a help, and
    nothing depends on it."""

    def __init__(self, settings: Settings) -> None:
        self._path = _path(settings)
        self._written: str | None = None
        self._is_known = False

    def write(self, trouble: str) -> None:
        """Say what is wrong."""
        if self._is_known and trouble == self._written:
            return
        with suppress(OSError):
            draft = self._path.with_name(f"{self._path.name}.new")
            draft.write_text(trouble, encoding="utf-8", errors="replace")
            draft.replace(self._path)
        self._written, self._is_known = trouble, True

    def write_error(self, error: BaseException) -> None:
        """Say what ended the processor."""
        hint = error.hint if isinstance(error, RtcdpError) else ""
        what = str(error) if isinstance(error, RtcdpError) else repr(error)
        self.write(f"{what}; {hint}" if hint else what)

    def take_away(self) -> None:
        """Say that all is well."""
        if self._is_known and self._written is None:
            return
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
        self._written, self._is_known = None, True


def trouble_of_processor(settings: Settings) -> str | None:
    """What the processor says is wrong; None when it says nothing."""
    try:
        with _path(settings).open(encoding="utf-8", errors="replace") as note:
            return note.read(_BYTES_MAX).strip() or None
    except OSError:
        return None


def _path(settings: Settings) -> Path:
    return settings.data_dir / "processor.trouble"
