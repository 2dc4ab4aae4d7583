"""The visits of each user."""

from rtcdp.definitions import Fold
from rtcdp.folds.sessions import Sessions

FOLD = Fold(
    name="sessions",
    title="Sessions",
    description="The visits of each user: events that are less than half an hour apart.",
    step=Sessions(),
)
