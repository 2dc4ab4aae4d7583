"""Dead letters that are to be fed in again."""

import pytest

from rtcdp.admission.replays import event_id_in, replay_of, still_dead
from rtcdp.admission.rules import AdmissionRules

NOW_MS = 1_767_225_600_000
EVENT = b'{"userId":"ada","eventType":"SEARCH","timestamp":%d}'


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b'{"eventId":"a","userId":""}', "a"),
        (b'{"eventId": "a", "userId"', "a"),
        (b'{"properties":{"eventId":"a"}}', None),
        (b'{"eventId":7}', None),
        (b'{"eventId":"%s"}' % (b"x" * 101), None),
        (b'{"eventId": "\xff"', None),
        (b"[]", None),
        (b'{"properties":{"eventId":"b"},"eventId":"a","userId"', "a"),
        (b'{"properties":{"eventId":"b"},"pageUrl":"\\"{", "userId"', None),
        (b'{"pageUrl":"}{","eventId":"a","userId"', "a"),
        (b'{"eventId":"a","properties":%s' % (b"[" * 5_000), "a"),
        (b'{"eventId":"a","properties":%s%s}' % (b"[" * 5_000, b"]" * 5_000), "a"),
    ],
)
def test_an_event_id_is_read_as_far_as_one_can(raw: bytes, found: str | None) -> None:
    assert event_id_in(raw) == found


def test_what_can_be_admitted_now_is_not_dead_any_more() -> None:
    rules = AdmissionRules()
    latest = NOW_MS + rules.max_clock_skew_ms
    assert still_dead(EVENT % latest, NOW_MS, rules) is None
    for raw, reason in ((EVENT % (latest + 1), "future"), (b"{}", "missing_field")):
        rejection = still_dead(raw, NOW_MS, rules)
        assert rejection is not None
        assert rejection.reason == reason


def test_it_is_imported_and_named_after_its_place() -> None:
    delivery = replay_of(3, 17, "app", b"{}", NOW_MS)
    assert (delivery.intake, delivery.replay_of, delivery.rejects) == (
        "import",
        "3:17",
        ((0, b"{}"),),
    )
