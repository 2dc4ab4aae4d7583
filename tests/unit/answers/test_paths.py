from rtcdp.answers.paths import PathsQuestion, paths_page
from tests.told import DAY, START


def told_by(read, **asked):
    return paths_page(read, "page_paths", PathsQuestion(**asked))


def test_whole_paths_are_limited_and_the_others_are_other(told):
    page = told_by(told, limit=1)
    [most] = page.items
    assert (most.path, most.count, most.share) == (["/", "/p/1"], 2, 0.4)
    assert (page.other.distinct, page.other.count, page.other.share) == (3, 3, 0.6)
    assert (page.count, page.name) == (5, "page_paths")
    assert [(each.nodes, each.reached, each.ended) for each in page.drop_off] == [
        (1, 5, 2),
        (2, 3, 3),
    ]


def test_all_paths_have_no_other(told):
    page = told_by(told)
    assert page.other is None
    assert sum(each.count for each in page.items) == page.count == 5


def test_paths_are_chosen_by_when_they_began(told):
    assert told_by(told, start_from=START + DAY).count == 2
    nothing = told_by(told, start_to=START)
    assert (nothing.items, nothing.other, nothing.drop_off, nothing.count) == ([], None, [], 0)
