"""How busy each user is right now."""

from rtcdp.definitions import Count, Metric, event_type, sliding
from rtcdp.events.event import PAGE_VIEW

METRIC = Metric(
    name="user_page_view_counts",
    title="Page views by user",
    description="How many pages each user viewed in the last minute, brought up every 30 seconds.",
    predicate=event_type(PAGE_VIEW),
    key=("userId",),
    window=sliding(size_seconds=60, every_seconds=30),
    measures=(Count("page_view_count"),),
)
