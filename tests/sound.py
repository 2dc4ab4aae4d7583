"""An installation is sound: what its store says is what its log says, to both judges."""

from collections.abc import Sequence

from rtcdp.admission.rules import AdmissionRules
from rtcdp.admission.verdicts import VERDICTS
from rtcdp.clock import Clock
from rtcdp.definitions import Fold, Metric
from rtcdp.log.contract import LogReader
from rtcdp.store import Store
from rtcdp.store.checksums import check_sums
from rtcdp.verify.independent import verify_independently
from rtcdp.verify.store_against_log import verify
from rtcdp.verify.stored import Kept


def assert_sound(
    log: LogReader, store: Store, metrics: Sequence[Metric], folds: Sequence[Fold], clock: Clock
) -> None:
    """No difference to a recomputation of the log, nor to an independent one; control sums that
    fit; and a ledger that balances."""
    asked = [*metrics, *folds]
    kept = Kept(clock.now_ms(), 10**15, 10**15)
    assert verify(log, store, asked, AdmissionRules(), kept).differences == ()
    with store.snapshot() as snapshot:
        totals = snapshot.ledger_totals()
        assert check_sums(snapshot, metrics).is_sound
    assert totals["received"] == sum(totals[name] for name in VERDICTS)
    judged = verify_independently(log, store, asked, AdmissionRules(), kept)
    assert judged.disagreements == ()
