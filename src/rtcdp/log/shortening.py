"""A writer that shortens IP addresses on their way into the log, whoever brings the records."""

from collections.abc import Sequence
from dataclasses import replace

from rtcdp.ip_addresses import shortener
from rtcdp.log.contract import Appended, Delivery, LogWriter
from rtcdp.log.wrapping import WrappingWriter


class ShorteningWriter(WrappingWriter):
    """Appends as `writer` does, with the addresses in the members `names` of events shortened. So
    they are in records that are no events."""

    def __init__(self, writer: LogWriter, names: tuple[str, ...]) -> None:
        super().__init__(writer)
        self._shorten = shortener(names)

    def append(self, deliveries: Sequence[Delivery]) -> Sequence[Appended]:
        """As promised by `LogWriter`."""
        return self._writer.append([self._shortened(each) for each in deliveries])

    def _shortened(self, delivery: Delivery) -> Delivery:
        return replace(
            delivery,
            lines=self._shorten(delivery.lines),
            rejects=tuple((place, self._shorten(raw)) for place, raw in delivery.rejects),
        )
