"""The traffic of the last hour, always up to the minute."""

from rtcdp.definitions import Count, Metric, event_type, sliding
from rtcdp.events.event import PAGE_VIEW

METRIC = Metric(
    name="page_views_last_hour",
    title="Page views, last hour",
    description="How many pages were viewed in the last hour, brought up every minute.",
    predicate=event_type(PAGE_VIEW),
    window=sliding(size_seconds=3600, every_seconds=60),
    measures=(Count("page_view_count"),),
)
