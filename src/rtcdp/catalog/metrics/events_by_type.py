"""What is happening, by kind of event."""

from rtcdp.definitions import Alarms, Count, Metric, tumbling

METRIC = Metric(
    name="events_by_type",
    title="Events by type",
    description="How many events of each type happened in each minute.",
    key=("eventType",),
    window=tumbling(minutes=1),
    measures=(Count("event_count"),),
    alarms=Alarms(),
)
