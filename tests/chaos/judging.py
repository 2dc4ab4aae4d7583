"""What the independent judge says of an installation after it was treated badly."""

from rtcdp.runtime.parts import folds_of, log_reader, metrics_of, store_of
from rtcdp.runtime.settings import Settings
from rtcdp.verify.independent import verify_independently
from rtcdp.verify.stored import Kept

_FOREVER_MS = 10**13


def judged(settings: Settings) -> list[str]:
    """Every disagreement, and every good event that the engine made a dead letter of."""
    with log_reader(settings) as log, store_of(settings, read_only=True) as store:
        found = verify_independently(
            log,
            store,
            [*metrics_of(settings), *folds_of(settings)],
            settings.admission,
            Kept(_FOREVER_MS, _FOREVER_MS, now_ms=0),
        )
    return [str(each) for each in (*found.disagreements, *found.set_aside)]
