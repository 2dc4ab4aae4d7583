import random

import pytest

from rtcdp.answers import story
from rtcdp.answers.story import Story, beyond, position_of, shared_telling, shown_events
from rtcdp.catalog.catalog import load_folds
from rtcdp.definitions import Equals, Fold, Property
from rtcdp.folds import timeline
from rtcdp.folds.funnels import Funnel, FunnelStep
from rtcdp.folds.timeline import standard_timeline, timeline_of
from tests.stories import event
from tests.told import DAY, HOUR, START


@pytest.fixture
def teller(make_teller):
    return make_teller()


def story_of(teller, use):
    with teller.store.snapshot() as snapshot:
        return use(Story(snapshot, standard_timeline("userId")))


def test_the_newest_events_come_first_however_long_ago_they_were(teller):
    rng = random.Random(2)
    times = [START - rng.randrange(900) * DAY - rng.randrange(9) for _ in range(60)]
    events = [event(time, eventId=f"e{n:02d}") for n, time in enumerate(times)]
    teller.tell(events, START, [9])
    newest = sorted(((e["timestamp"], e["eventId"]) for e in events), reverse=True)
    found, before = [], None
    while True:
        told = story_of(teller, lambda story, at=before: story.newest("ann", START, at, 7))
        if told.frame.is_empty():
            break
        found += [(e["timestamp"], e["eventId"]) for e in told.frame.to_dicts()]
        before = position_of(told.frame, before)
    assert found == newest


@pytest.mark.parametrize("ahead", [0, 4_000 * DAY])
def test_of_a_long_story_no_look_reads_more_than_a_part(teller, monkeypatch, ahead):
    monkeypatch.setattr(story, "CHUNKS_MAX", 8)
    # What a bot did in each of 400 hours, long ago or ahead of the time.
    hours = [START - 60 * DAY + n * HOUR for n in range(400)]
    events = [event(at + n, eventId=f"{at}/{n}") for at in hours for n in range(3)]
    teller.tell(events, START)
    reads = []

    def counted(story):
        rows = story._snapshot.rows

        def watched(table, groups):
            read = rows(table, groups)
            reads.append(read.height)
            return read

        monkeypatch.setattr(story._snapshot, "rows", watched)
        return story.newest("ann", START - ahead, None, 50)

    found = story_of(teller, counted).frame["eventId"].to_list()
    newest = sorted(events, key=lambda each: each["timestamp"], reverse=True)
    assert found == [each["eventId"] for each in newest[:50]]
    assert max(reads) <= 8
    assert len(reads) < 60


def test_what_an_hour_does_not_tell_is_counted_once(teller, monkeypatch):
    monkeypatch.setattr(timeline, "EVENTS_MAX", 3)
    for kernel in (timeline.chunks_of, timeline.events_in, timeline.first_of_hours):
        monkeypatch.setattr(kernel, "__defaults__", (3,))
    monkeypatch.setattr(timeline.overflow_of, "__defaults__", (3,))
    at = START - 6 * HOUR
    teller.tell([event(at + n, eventId=f"{n}") for n in range(5)], START)
    # An hour in the middle of which a look begins.
    found = story_of(teller, lambda story: story.newest("ann", START + HOUR // 2, None, 50))
    assert (found.frame.height, found.not_told) == (3, 2)


def test_events_of_a_span(teller):
    teller.tell([event(START + n, eventId=f"{n}") for n in (0, 5, HOUR, HOUR + 1)], START)
    found = story_of(teller, lambda story: story.between("ann", START + 5, START + HOUR + 1))
    assert found.frame["eventId"].to_list() == ["5", f"{HOUR}"]
    assert found.not_told == 0
    after = beyond(found.frame, (START + 5, "5", 1))
    assert [each["eventId"] for each in shown_events(after)] == [f"{HOUR}"]
    nobody = story_of(teller, lambda story: story.newest("bob", START, None, 7))
    assert nobody.frame.is_empty()


def test_the_story_that_folds_share_is_told_before_one_of_a_fold_alone():
    steps = tuple(FunnelStep(name, Equals(Property("plan"), name)) for name in ("free", "paid"))
    own = Fold("plans", "Plans", Funnel(steps))
    assert shared_telling([own], "userId") == timeline_of(own) != standard_timeline("userId")
    assert shared_telling([own, *load_folds()], "userId") == standard_timeline("userId")
    assert shared_telling([], "userId") == standard_timeline("userId")
