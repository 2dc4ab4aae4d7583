"""Where people go."""

from rtcdp.definitions import Fold
from rtcdp.folds.paths import Paths

FOLD = Fold(
    name="page_paths",
    title="Paths through the pages",
    description="The first eight pages of each session, one after the other.",
    step=Paths(),
)
