"""A writer that shortens IP addresses on their way into the log, whoever brings the records."""

from collections.abc import Sequence
from dataclasses import replace

from rtcdp.ip_addresses import shortener
from rtcdp.log.contract import Appended, Delivery, ImportRegister, LogWriter
from rtcdp.log.piece import Piece


class ShorteningWriter:
    """Appends as `writer` does, with the addresses in the members `names` of events shortened. So
    they are in records that are no events."""

    def __init__(self, writer: LogWriter, names: tuple[str, ...]) -> None:
        self._writer = writer
        self._shorten = shortener(names)

    def append(self, deliveries: Sequence[Delivery]) -> Sequence[Appended]:
        """As promised by `LogWriter`."""
        return self._writer.append([self._shortened(each) for each in deliveries])

    def pieces_after(self, key: str) -> Sequence[Piece]:
        """As promised by `ImportRegister`; none where the log keeps no register."""
        return self._writer.pieces_after(key) if isinstance(self._writer, ImportRegister) else ()

    def close(self) -> None:
        self._writer.close()

    def _shortened(self, delivery: Delivery) -> Delivery:
        return replace(
            delivery,
            lines=self._shorten(delivery.lines),
            rejects=tuple((place, self._shorten(raw)) for place, raw in delivery.rejects),
        )
