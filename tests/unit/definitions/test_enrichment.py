"""What a metric by what products are rests in."""

import pytest

from rtcdp.definitions import Alarms, Calendar, Count, Metric, Product, sliding, tumbling
from rtcdp.definitions.enrichment import stored_as, stored_metrics
from rtcdp.errors import UsageError

BY_CATEGORY = Metric(
    "sales", "Sales", sliding(size_seconds=60, every_seconds=25), (Count("n"),),
    (Product("category"), "eventType"),
)  # fmt: skip
PLAIN = Metric("views", "Views", tumbling(minutes=1), (Count("n"),), ("productId",))


def test_it_rests_by_product_in_panes_and_in_moments() -> None:
    panes, moments = stored_metrics([BY_CATEGORY])
    assert (panes.name, moments.name) == ("sales_of_products", "sales_of_moments")
    assert panes.key == moments.key == ("eventType", "productId")
    assert (panes.window, moments.window) == (tumbling(seconds=5), tumbling_ms(1))
    by_day = Metric("d", "D", Calendar("day"), (Count("n"),), (Product("name"), "productId"))
    panes, _ = stored_metrics([by_day])
    assert (panes.window, panes.key) == (Calendar("day"), ("productId",))


def tumbling_ms(size: int) -> object:
    return type(tumbling(minutes=1))(size, size)


def test_others_rest_as_they_are() -> None:
    assert stored_as(PLAIN) is None
    assert stored_metrics([PLAIN]) == (PLAIN,)


def test_alarms_are_for_what_no_late_update_changes() -> None:
    watched = Metric(
        "w", "W", tumbling(minutes=1), (Count("n"),), (Product("category"),), alarms=Alarms()
    )
    with pytest.raises(UsageError, match="late update"):
        stored_as(watched)
