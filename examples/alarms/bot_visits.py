"""Who reads all products at night: page views of each hour by user, watched for rises alone."""

from rtcdp.definitions import Alarms, Count, Metric, event_type, tumbling

METRIC = Metric(
    name="visits_of_users",
    title="Page views of users",
    description="How many pages each user views in an hour.",
    predicate=event_type("PAGE_VIEW"),
    key=("userId",),
    window=tumbling(hours=1),
    measures=(Count("view_count"),),
    alarms=Alarms(direction="up", min_difference=30, min_windows=72),
)
