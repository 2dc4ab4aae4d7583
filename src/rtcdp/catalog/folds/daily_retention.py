"""Who comes back."""

from rtcdp.definitions import Fold
from rtcdp.folds.retention import Retention

FOLD = Fold(
    name="daily_retention",
    title="Who comes back",
    description="On which of the 30 days after their first page view people are seen again.",
    step=Retention(),
)
