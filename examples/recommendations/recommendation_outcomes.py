"""What recommendations are good for."""

from rtcdp.definitions import Fold
from rtcdp.folds.recommendation_outcomes import RecommendationOutcomes

FOLD = Fold(
    name="recommendation_outcomes",
    title="What came of recommendations",
    description="Of each recommendation that was shown: whether it was clicked, and what was "
    "bought because of it, or just after it.",
    step=RecommendationOutcomes(),
)
