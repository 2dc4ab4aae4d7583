"""Who comes back, as a page."""

import re
from collections.abc import Callable

from rtcdp.answers.freshness import Installation
from tests.stories import event
from tests.told import DAY, START
from tests.unit.dashboard.pages.conftest import MakeSite, Site, cells


def returning() -> list[dict[str, object]]:
    """Ann and Bob come on the first day; Ann comes back on the next, Eve then comes first."""
    came = [(0, "ann"), (0, "bob"), (1, "ann"), (1, "eve"), (3, "bob")]
    return [
        event(START + day * DAY, user=user, eventId=f"{day}{user}", pageUrl="/")
        for day, user in came
    ]


def test_the_grid_and_the_table_are_the_apis(
    make_site: MakeSite, make_told: Callable[..., Installation]
) -> None:
    site = make_site(make_told(returning(), START + 6 * DAY))
    page = site.page("/retention")
    [answer] = site.behind(page)
    told = [
        [
            str(cohort["size"]),
            *("" if (n := cell["returned"]) is None else str(n) for cell in cohort["cells"][:8]),
        ]
        for cohort in answer["items"]
    ]
    assert [row[1:] for row in cells(page, "cohorts")] == told
    assert told[-1][:5] == ["2", "0", "1", "0", "1"]
    assert "<title>2026-01-01, day 1: 1 of 2 came back, 50.0 %</title>" in page
    assert "<title>all, day 1: 1 of 3 came back, 33.3 %</title>" in page


def test_what_counts_as_coming_back_is_chosen(
    make_site: MakeSite, make_told: Callable[..., Installation]
) -> None:
    site = make_site(make_told(returning(), START + 6 * DAY))
    page = site.page("/retention?mode=on_or_after")
    [answer] = site.behind(page)
    assert answer["mode"] == "on_or_after"
    assert re.search(r'href="/retention\?mode=on_or_after" aria-current="true"', page)
    assert "mode=&#39;never&#39; is not known" in site.page("/retention?mode=never", 400)


def test_nobody_and_no_fold_say_what_to_do(quiet_site: Site, bare_site: Site) -> None:
    assert "curl -X POST" in quiet_site.page("/retention")
    assert "There is no retention" in bare_site.page("/retention")
