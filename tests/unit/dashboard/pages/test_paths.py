"""Where people go, as a page."""

from xml.etree.ElementTree import Element

from rtcdp.answers.paths import PathFound
from rtcdp.dashboard.pages.paths import flow_of
from tests.drawn import tree_of
from tests.unit.dashboard.pages.conftest import Site, cells


def test_the_list_is_the_apis(site: Site) -> None:
    page = site.page("/paths")
    [answer] = site.behind(page)
    assert [row[:2] for row in cells(page, "paths")] == [
        [" → ".join(each["path"]), str(each["count"])] for each in answer["items"]
    ]
    assert [[*map(int, row[:3])] for row in cells(page, "ends")] == [
        [each["nodes"], each["reached"], each["ended"]] for each in answer["drop_off"]
    ]


def titles(root: Element, kind: str) -> list[str | None]:
    return [each[0].text for each in root.iter(kind) if len(each) and each[0].tag == "title"]


def test_paths_flow_from_step_to_step() -> None:
    paths = [
        PathFound(["/", "/a"], 3, 0.5),
        PathFound(["/", "/b"], 2, 0.3),
        PathFound(["/"], 1, 0.2),
    ]
    root = tree_of(flow_of(paths))
    assert titles(root, "path") == ["/ → /a: 3", "/ → /b: 2"]
    assert titles(root, "rect") == ["/: 6, 100 %", "/a: 3, 50.0 %", "/b: 2, 33.3 %"]


def test_rare_pages_stand_together() -> None:
    paths = [PathFound(["/", f"/{at}"], 10 - at, 0.1) for at in range(9)]
    root = tree_of(flow_of(paths))
    assert titles(root, "rect")[-1] == "3 others: 9, 16.7 %"
    assert titles(root, "path")[-1] == "/ → 3 others: 9"


def test_long_paths_are_cut_and_none_is_nothing() -> None:
    root = tree_of(flow_of([PathFound([*"abcdefgh"], 1, 1.0)]))
    assert len(titles(root, "rect")) == 5
    assert flow_of([]) == ""


def test_nobody_and_no_fold_say_what_to_do(quiet_site: Site, bare_site: Site) -> None:
    assert "curl -X POST" in quiet_site.page("/paths")
    assert "There are no paths" in bare_site.page("/paths")
