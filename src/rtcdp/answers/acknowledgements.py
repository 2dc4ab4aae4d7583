"""Acknowledges anomalies: somebody has seen one, and says so to all others.

What is acknowledged is the window of a series, by its metric, key and start. So it stays so when
everything is computed again, when a late event makes the number another one, and when it is told
again after it was none for a while. It goes with its window, by retention.
"""

from typing import Annotated

import msgspec

from rtcdp.answers.anomalies import ANOMALIES_PATH, Anomaly, anomaly_page, series_and_start
from rtcdp.answers.freshness import FreshAnswer, Installation
from rtcdp.answers.instant import EARLIEST, LATEST
from rtcdp.errors import BadRequest, NotThere
from rtcdp.store import Acknowledgement, Store

ACKNOWLEDGED_MAX = 10_000
"""So many anomalies can be acknowledged at a time; those of windows that expire make room."""

_BY_MAX, _NOTE_MAX = 100, 1000


class Seen(msgspec.Struct, frozen=True):
    """Who has seen an anomaly, and what there is to say about it."""

    by: Annotated[str, msgspec.Meta(min_length=1, max_length=_BY_MAX)]
    note: Annotated[str, msgspec.Meta(max_length=_NOTE_MAX)] = ""


class AcknowledgedPage(FreshAnswer, omit_defaults=True):
    """The anomaly, as it is told from now on."""

    anomaly: Anomaly


def acknowledge(
    installation: Installation, store: Store, anomaly_id: str, seen: Seen
) -> AcknowledgedPage:
    """Say of an anomaly that it was seen; who says so last counts. `store` is the installation's,
    opened for writing. Raises `NotThere` when nothing is out of the ordinary there, `BadRequest`
    and `StoreUnavailable`."""
    check_seen(seen)
    series, start = series_and_start(anomaly_id)
    page = anomaly_page(installation, anomaly_id)
    if page.anomaly.acknowledged is None:
        _check_room(installation)
    at = installation.clock.now_ms()
    store.acknowledge(Acknowledgement(series, start, seen.by, at, seen.note))
    page = anomaly_page(installation, anomaly_id)
    return AcknowledgedPage(
        page.anomaly, as_of=page.as_of, lag_ms=page.lag_ms, warning=page.warning
    )


def withdraw(store: Store, anomaly_id: str) -> None:
    """Take it back, also of what is none any more. Raises `NotThere` when nobody had acknowledged
    it, `BadRequest` and `StoreUnavailable`."""
    if not store.withdraw_acknowledgement(*series_and_start(anomaly_id)):
        raise NotThere(
            "nobody has acknowledged that anomaly",
            f"{ANOMALIES_PATH}?acknowledged=true tells which ones are",
        )


def check_seen(seen: Seen) -> None:
    """Raises `BadRequest` for what can't be kept, or would be no name."""
    for name, text, most in (("by", seen.by, _BY_MAX), ("note", seen.note, _NOTE_MAX)):
        is_plain = all(letter.isprintable() or letter == "\n" for letter in text)
        if len(text) > most or not is_plain:
            raise BadRequest(
                f"{name} is too long, or has characters that can't be shown",
                f"send at most {most:,} letters",
            )
    if not seen.by.strip():
        raise BadRequest("by is empty", "say who has seen it")


def _check_room(installation: Installation) -> None:
    with installation.store.snapshot() as snapshot:
        count = len(snapshot.acknowledgements(EARLIEST, LATEST + 1))
    if count >= ACKNOWLEDGED_MAX:
        raise BadRequest(
            f"{count:,} anomalies are acknowledged, which is the limit",
            "take back some of the oldest",
        )
