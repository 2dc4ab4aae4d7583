from pathlib import Path

import pytest

from rtcdp.catalog.reference import section
from rtcdp.definitions import (
    DISTINCT_EXACT_UP_TO,
    TOP_EXACT_UP_TO,
    Average,
    Compare,
    Count,
    Distinct,
    Equals,
    Everything,
    Maximum,
    Measure,
    Metric,
    Minimum,
    OneOf,
    Predicate,
    Present,
    Sum,
    TopK,
    Window,
    all_of,
    any_of,
    event_type,
    measure_in_words,
    negate,
    predicate_in_words,
    sliding,
    tumbling,
    window_in_words,
)

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"
VIEW = event_type("PAGE_VIEW")


def test_the_page_names_the_limits_that_the_code_has() -> None:
    text = " ".join(PAGE.read_text().split())

    assert f"exact up to {DISTINCT_EXACT_UP_TO:,} and are estimated beyond" in text
    assert f"at most {TOP_EXACT_UP_TO:,} different items" in text


def test_every_word_of_the_vocabulary_is_in_the_page() -> None:
    text = PAGE.read_text()
    words = ["event_type(…)", "Equals", "OneOf", "Present", "Compare", "all_of", "any_of", "negate"]
    words += ["Count", "Sum", "Average", "Minimum", "Maximum", "Distinct", "TopK"]

    assert [word for word in words if f"`{word}`" not in text] == []


def test_a_section_says_what_is_asked_and_where_it_rests() -> None:
    metric = Metric(
        name="orders",
        title="Orders",
        description="How much each user buys.",
        predicate=event_type("PURCHASE"),
        key=("userId", "source"),
        window=tumbling(minutes=1),
        measures=(Count("n"), Distinct("products", "productId")),
    )

    assert section(metric) == (
        "### Orders\n"
        "\n"
        "`orders` — How much each user buys.\n"
        "\n"
        "| | |\n"
        "|---|---|\n"
        "| Counts | events where `eventType` is `PURCHASE` |\n"
        "| One row per | `userId` and `source` and window |\n"
        "| Window | 1 minute |\n"
        "| Says | `n`: how many events<br>`products`: how many different `productId` |\n"
        "| Tables | `orders` (window_start, userId, source, n)<br>"
        "`orders__products` (window_start, userId, source, member) |\n"
        "| Ask | `GET /api/metrics/orders?userId=…&source=…` |\n"
    )


@pytest.mark.parametrize(
    ("predicate", "words"),
    [
        (Everything(), "every event"),
        (VIEW, "events where `eventType` is `PAGE_VIEW`"),
        (OneOf("source", ("web", "app")), "events where `source` is one of `web`, `app`"),
        (Present("value"), "events where `value` is there"),
        (Compare("value", ">=", 10.0), "events where `value >= 10`"),
        (
            all_of(VIEW, any_of(Present("value"), Equals("source", "web"))),
            "events where `eventType` is `PAGE_VIEW` and (`value` is there or `source` is `web`)",
        ),
        (negate(VIEW), "events where not (`eventType` is `PAGE_VIEW`)"),
        (all_of(), "events where anything holds"),
        (any_of(), "events where nothing holds"),
    ],
)
def test_a_predicate_is_put_into_words(predicate: Predicate, words: str) -> None:
    assert predicate_in_words(predicate) == words


@pytest.mark.parametrize(
    ("window", "words"),
    [
        (tumbling(days=1), "1 day"),
        (tumbling(minutes=90), "90 minutes"),
        (tumbling(seconds=2), "2 seconds"),
        (sliding(size_seconds=3600, every_seconds=45), "1 hour, a new one every 45 seconds"),
        (Window(1500, 500), "1500 ms, a new one every 500 ms"),
    ],
)
def test_a_window_is_put_into_words(window: Window, words: str) -> None:
    assert window_in_words(window) == words


@pytest.mark.parametrize(
    ("measure", "words"),
    [
        (Count("n"), "how many events"),
        (Sum("n"), "the sum of `value`"),
        (Average("n"), "the mean of `value`"),
        (Minimum("n"), "the smallest `value`"),
        (Maximum("n"), "the largest `value`"),
        (Distinct("n", "userId"), "how many different `userId`"),
        (TopK("n", "pageUrl", k=3), "the 3 most frequent `pageUrl`, with their counts"),
    ],
)
def test_a_measure_is_put_into_words(measure: Measure, words: str) -> None:
    assert measure_in_words(measure) == words


def test_a_metric_without_a_description_has_its_name() -> None:
    metric = Metric("views", "Views", tumbling(minutes=1), (Count("n"),))
    assert section(metric).startswith("### Views\n\n`views`\n\n| | |")


def test_texts_to_compare_with_stay_in_their_cell() -> None:
    predicate = Equals("pageUrl", "a|b\nc")
    metric = Metric("views", "Views", tumbling(minutes=1), (Count("n"),), predicate=predicate)
    row = "| Counts | events where `pageUrl` is `a\\|b c` |"
    assert row in section(metric).splitlines()
