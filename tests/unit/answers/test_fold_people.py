"""Who is behind the numbers of a retention and of paths: as many as the number says."""

from collections.abc import Callable

import msgspec
import pytest

from rtcdp.answers.fold_people import (
    FoldPeoplePage,
    PathsPeopleQuestion,
    RetentionPeopleQuestion,
    paths_people,
    retention_people,
)
from rtcdp.answers.freshness import Installation
from rtcdp.answers.instant import read_instant
from rtcdp.answers.paths import PathsQuestion, paths_page
from rtcdp.answers.retention import RetentionQuestion, retention_page
from rtcdp.errors import BadRequest
from tests.stories import event
from tests.told import DAY, START

MakeTeller = Callable[..., object]


@pytest.fixture
def read(make_teller) -> Installation:  # type: ignore[no-untyped-def]
    """Ann comes on days 0, 1 and 3 and Bob on day 0; Eve on days 2 and 3. Told on day 4."""
    teller = make_teller()
    came = {"ann": (0, 1, 3), "bob": (0,), "eve": (2, 3)}
    events = [
        event(START + day * DAY + step, user=user, eventId=f"{user}{day}{step}", pageUrl=page)
        for user, days in came.items()
        for day in days
        for step, page in enumerate(("/", f"/{user}", "/cart") if day else ("/", "/cart"))
    ]
    teller.tell(events, START + 4 * DAY, [3])
    told: Installation = teller.installation(START + 4 * DAY, allowed_lateness_ms=0)
    return told


def users(page: FoldPeoplePage) -> list[str]:
    assert len(page.items) == page.count
    return sorted(str(item["userId"]) for item in page.items)


def returners(read: Installation, **asked: object) -> list[str]:
    return users(retention_people(read, "daily_retention", RetentionPeopleQuestion(**asked)))  # type: ignore[arg-type]


def goers(read: Installation, **asked: object) -> list[str]:
    return users(paths_people(read, "page_paths", PathsPeopleQuestion(**asked)))  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["on", "on_or_after"])
def test_there_are_as_many_as_each_cell_and_the_pooled_row_say(
    read: Installation, mode: str
) -> None:
    page = retention_page(read, "daily_retention", RetentionQuestion(mode=mode))  # type: ignore[arg-type]
    for cohort in page.items:
        start = read_instant("start", cohort.cohort_start)
        assert len(returners(read, cohort_start=start)) == cohort.size
        for cell in cohort.cells:
            found = returners(read, cohort_start=start, after=cell.after, mode=mode)
            assert len(found) == (cell.returned or 0), cell
    pooled = {each.after: each.returned for each in page.pooled}
    for after in range(30):
        assert len(returners(read, after=after, mode=mode)) == pooled.get(after, 0)


def test_they_are_those_who_came_back(read: Installation) -> None:
    assert returners(read, cohort_start=START) == ["ann", "bob"]
    assert returners(read, cohort_start=START, after=3) == ["ann"]
    assert returners(read, after=1) == ["ann", "eve"]
    # Nobody is listed of a day that is not over.
    assert returners(read, cohort_start=START, after=4) == []


def test_there_are_as_many_as_each_number_of_the_paths(read: Installation) -> None:
    page = paths_page(read, "page_paths", PathsQuestion())
    assert {tuple(each.path): each.count for each in page.items} == {
        ("/", "/cart"): 2,
        ("/", "/ann", "/cart"): 2,
        ("/", "/eve", "/cart"): 2,
    }
    for each in page.items:
        assert len(goers(read, path=msgspec.json.encode(each.path).decode())) == each.count
    for end in page.drop_off:
        assert len(goers(read, nodes=end.nodes)) == end.reached
        assert len(goers(read, nodes=end.nodes, ended="yes")) == end.ended


def test_a_node_in_its_place_has_those_who_were_there(read: Installation) -> None:
    assert goers(read, nodes=2, node="/cart") == ["ann", "bob"]
    assert goers(read, nodes=2, node="/eve") == ["eve", "eve"]
    assert goers(read, nodes=3, node="/cart", among=1) == ["ann", "ann"]
    assert goers(read, nodes=1, node="/cart") == []
    assert goers(read) == ["ann", "ann", "ann", "bob", "eve", "eve"]


def test_a_list_goes_on_where_the_page_before_ended(read: Installation) -> None:
    found, cursor = [], None
    while True:
        asked = PathsPeopleQuestion(limit=4, cursor=cursor)
        page = paths_people(read, "page_paths", asked)
        found += [(item["started_at"], item["userId"]) for item in page.items]
        cursor = page.next_cursor
        assert page.count == 6
        if cursor is None:
            break
    assert len(set(found)) == 6
    assert [at for at, _ in found] == sorted((at for at, _ in found), reverse=True)


def test_wrong_turns_say_what_to_send(read: Installation) -> None:
    for asked, hint in (
        ({"cohort_start": START + 1}, "send cohort_start=2026-01-01T00:00:00.000Z"),
        ({"after": 60}, "below 30"),
    ):
        with pytest.raises(BadRequest) as refused:
            returners(read, **asked)
        assert hint in refused.value.hint
    for asked in ({"path": "/"}, {"path": "[1]"}, {"node": "/"}, {"ended": "yes"}):
        with pytest.raises(BadRequest):
            goers(read, **asked)
