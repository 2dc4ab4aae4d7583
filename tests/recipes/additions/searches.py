"""How much people look for something."""

from rtcdp.definitions import Count, Distinct, Metric, event_type, tumbling

METRIC = Metric(
    name="searches",
    title="Searches",
    description="How often people searched in each minute, and how many of them did.",
    predicate=event_type("SEARCH"),
    window=tumbling(minutes=1),
    measures=(Count("search_count"), Distinct("people", "userId")),
)
