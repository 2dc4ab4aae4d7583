"""An answer as charts."""

from msgspec.structs import replace

from rtcdp.dashboard.explore.charts import LINES_MAX, charts, in_words
from rtcdp.dashboard.explore.groups import grouped
from rtcdp.dashboard.zone import PageZone
from tests.unit.dashboard.explore.answers import ASKED, answer_of


def test_the_first_groups_have_a_line_and_the_chart_knows_of_all() -> None:
    answer = answer_of([(hour, f"u{user}", user) for hour in (0, 1) for user in range(20)])
    (chart,) = charts(grouped(answer), ASKED, PageZone())
    assert [item.name for item in chart.legend] == [f"u{user}" for user in range(LINES_MAX)]
    assert chart.group_count == 20
    assert "u11: 11" in chart.drawing
    assert "u12" not in chart.drawing


def test_others_have_a_line_of_their_own_kind() -> None:
    (chart,) = charts(
        grouped(answer_of([(0, "a", 5), (0, None, 9), (1, None, 3)])), ASKED, PageZone()
    )
    assert [(item.name, item.kind) for item in chart.legend] == [
        ("a", "line-0"),
        ("7 others", "other"),
    ]


def test_each_number_has_a_chart_and_rows_without_time_none() -> None:
    answer = answer_of([(0, "a", 5), (1, "a", 3)], columns=("views.n", "views.m"))
    titles = [each.title for each in charts(grouped(answer), ASKED, PageZone())]
    assert titles == ["Views: n", "Views: m"]
    assert in_words("orders.order_count / orders.orders") == "Orders: order count / orders"
    assert charts(grouped(replace(answer, interval="none")), ASKED, PageZone()) == []
