"""What is out of the ordinary since it was looked at last: what began, what changed, what is gone.

A look costs what a question costs, a second or two for long histories. So nothing is worked out
while nothing was committed and nobody has acknowledged anything.
"""

from collections.abc import Mapping, Sequence

import msgspec

from rtcdp.answers.anomalies import AnomaliesQuestion, Anomaly, anomalies_page
from rtcdp.answers.freshness import Installation, open_reading
from rtcdp.answers.instant import LATEST, iso_ms
from rtcdp.clock import DAY_MS

TOLD_ANOMALIES = 100
"""So many are told at once of each list; how many there were is told besides."""

_LOOKED_AT = 1_000

_Named = Mapping[tuple[str, ...], Anomaly]


class AnomaliesChanged(msgspec.Struct, omit_defaults=True):
    """What changed among the anomalies of the last day up to an epoch: those whose `onset` was
    seen, those that are told in other words now (a window that lasts, an acknowledgement), and
    those that are `gone`, because late events made them ordinary. Newest first and at most 100 of
    each; the counts say how many there were. Messages are numbered: where a number is missing, so
    are changes. The first message to a client has all that there are as `standing`, and nothing
    else."""

    number: int
    epoch: int
    standing: list[Anomaly] | None = None
    onset: list[Anomaly] = []
    onset_count: int = 0
    changed: list[Anomaly] = []
    changed_count: int = 0
    gone: list[Anomaly] = []
    gone_count: int = 0


class AnomaliesWatch:
    """Watches the anomalies of the last day, as one look after another finds them. The messages go
    on after `number`, which is that of the last one."""

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self._mark: object = None
        self._epoch = 0
        self._there: _Named | None = None

    @property
    def standing(self) -> AnomaliesChanged | None:
        """What there was at the last look; None before the first one."""
        if self._there is None:
            return None
        newest = list(self._there.values())[:TOLD_ANOMALIES]
        return AnomaliesChanged(self.number, self._epoch, standing=newest)

    def look(self, installation: Installation) -> AnomaliesChanged | None:
        """What has changed since the last look; None where nothing has, and at the first one.
        Raises `StoreUnavailable`."""
        start_from = installation.clock.now_ms() - DAY_MS
        with open_reading(installation) as reading:
            progress = reading.snapshot.progress
            seen = reading.snapshot.acknowledgements(start_from, LATEST)
        epoch = progress.epoch
        mark = (epoch, progress.watermark(0), frozenset(seen))
        if mark == self._mark:
            return None
        asked = AnomaliesQuestion(start_from=start_from, limit=_LOOKED_AT)
        page = anomalies_page(installation, asked)
        now = {_name_of(each): each for each in page.items}
        before, self._there = self._there, now
        self._mark, self._epoch = mark, epoch
        return None if before is None else self._told(before, now, iso_ms(start_from))

    def _told(self, before: _Named, now: _Named, since: str) -> AnomaliesChanged | None:
        onset = [each for name, each in now.items() if name not in before]
        changed = [
            each for name, each in now.items() if name in before and _is_other(each, before[name])
        ]
        # What has only become older than a day is nobody's news.
        gone = [
            each for name, each in before.items() if name not in now and each.window_start >= since
        ]
        if not (onset or changed or gone):
            return None
        self.number += 1
        return AnomaliesChanged(
            number=self.number,
            epoch=self._epoch,
            onset=_first(onset),
            onset_count=len(onset),
            changed=_first(changed),
            changed_count=len(changed),
            gone=_first(gone),
            gone_count=len(gone),
        )


def _first(anomalies: Sequence[Anomaly]) -> list[Anomaly]:
    return list(anomalies[:TOLD_ANOMALIES])


def _name_of(anomaly: Anomaly) -> tuple[str, ...]:
    return (anomaly.metric, anomaly.window_start, *anomaly.key.values())


def _is_other(now: Anomaly, before: Anomaly) -> bool:
    """Whether something else is said of it: not, where only its history is cut elsewhere."""
    names = ("observed", "direction", "final", "acknowledged")
    return any(getattr(now, name) != getattr(before, name) for name in names)
