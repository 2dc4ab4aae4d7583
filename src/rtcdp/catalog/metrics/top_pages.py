"""Where people are on the site."""

from rtcdp.definitions import Metric, Present, TopK, all_of, event_type, tumbling
from rtcdp.events.event import PAGE_VIEW

METRIC = Metric(
    name="top_pages",
    title="Top pages",
    description="The ten pages that were viewed most in each hour, with their views.",
    predicate=all_of(event_type(PAGE_VIEW), Present("pageUrl")),
    window=tumbling(hours=1),
    measures=(TopK("pages", "pageUrl", k=10),),
)
