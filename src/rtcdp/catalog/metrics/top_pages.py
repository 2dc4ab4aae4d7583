"""Where people are on the site."""

from rtcdp.events.event import PAGE_VIEW
from rtcdp.vocabulary.measure import TopK
from rtcdp.vocabulary.metric import Metric
from rtcdp.vocabulary.predicate import Present, all_of, event_type
from rtcdp.vocabulary.window import tumbling

METRIC = Metric(
    name="top_pages",
    title="Top pages",
    description="The ten pages that were viewed most in each hour, with their views.",
    predicate=all_of(event_type(PAGE_VIEW), Present("pageUrl")),
    window=tumbling(hours=1),
    measures=(TopK("pages", "pageUrl", k=10),),
)
