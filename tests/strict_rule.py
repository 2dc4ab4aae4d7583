"""Holds every path of the strict rule to the independent reading of it."""

from collections import Counter
from collections.abc import Sequence

from rtcdp.events.codec import decode, is_clean
from rtcdp.events.columns import EVENT_SCHEMA, decode_lines, from_event
from rtcdp.events.dead_letter import Rejection
from rtcdp.intake.limits import CollectorLimits
from rtcdp.intake.splitting import split
from rtcdp.verify.event_text import Unfit, event_of
from tests.documents import documents

BATCH = 50
FIELDS = (*EVENT_SCHEMA, "timestamp")


def verdicts_that_differ(seed: int, count: int) -> tuple[list[str], Counter[str]]:
    """What the paths say otherwise than the independent reading, and how often each verdict came:
    one record at a time, a batch at once, the columns of a batch, and a request of many lines."""
    differing: list[str] = []
    verdicts: Counter[str] = Counter()
    batch: list[tuple[bytes, object]] = []
    for document in documents(seed, count):
        expected = judged(document)
        verdicts[expected if isinstance(expected, str) else "event"] += 1
        found = decoded(document)
        if not same(found, expected):
            differing.append(f"decode: {shown(document)}: {found}, expected {expected}")
        if is_clean(document) and isinstance(expected, str):
            differing.append(f"is_clean: {shown(document)}: expected {expected}")
        batch.append((document, expected))
        if len(batch) == BATCH:
            differing += in_a_batch(batch)
            batch = []
    return differing, verdicts


def judged(document: bytes) -> object:
    """The fields, or the reason, by the independent reading."""
    try:
        event = event_of(document)
    except Unfit as unfit:
        return str(unfit)
    return {name: event[name] for name in FIELDS}


def decoded(document: bytes) -> object:
    """The fields, or the reason, by the product's exact rule."""
    event = decode(document)
    if isinstance(event, Rejection):
        return event.reason
    found = from_event(event)
    return {name: found[name] for name in FIELDS}


def same(found: object, expected: object) -> bool:
    """Equal, and without a sign of zero."""
    if isinstance(found, dict) and found["value"] == 0 and "-" in str(found["value"]):
        return False
    return found == expected


def in_a_batch(batch: Sequence[tuple[bytes, object]]) -> list[str]:
    """What differs when these are neighbours, without those that hold the end of a line."""
    batch = [(document, expected) for document, expected in batch if b"\n" not in document]
    batch = [(d, expected) for d, expected in batch if d.strip(b" \t\r") and not d.endswith(b"\r")]
    request = b"\n".join(document for document, _ in batch)
    if request.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        return []
    limits = CollectorLimits()
    rejected = {each.index: each.code for each in split(request, NDJSON, limits).rejected}
    expected = {i: reason for i, (_, reason) in enumerate(batch) if isinstance(reason, str)}
    differing = [
        f"split: {shown(batch[i][0])}: {rejected.get(i)}, expected {expected.get(i)}"
        for i in rejected.keys() | expected.keys()
        if rejected.get(i) != expected.get(i)
    ]
    events = [(document, event) for document, event in batch if not isinstance(event, str)]
    if events:
        lines = b"".join(document + b"\n" for document, _ in events)
        for times in (1, 1_000 // len(events) + 1):
            frame = decode_lines(lines * times, len(events) * times, list(EVENT_SCHEMA))
            rows = frame.select(FIELDS).head(len(events)).rows(named=True)
            differing += [
                f"columns, {times} times: {shown(document)}: {row}, expected {event}"
                for (document, event), row in zip(events, rows, strict=True)
                if not same(row, event)
            ]
    return differing


def shown(document: bytes) -> str:
    return repr(document if len(document) < 500 else document[:500] + b"...")


NDJSON = "application/x-ndjson"
