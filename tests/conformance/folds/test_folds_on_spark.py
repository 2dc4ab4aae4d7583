"""The same on Spark, a batch of which takes a second: one stream, in three batches."""

from tests.conformance.folds.stream import RULES, Stream
from tests.conformance.folds.test_folds import FOLDS, check_notices, in_words, on_paper

ENGINES = ("spark",)


def test_rows_are_what_is_counted_on_paper(run_engine, open_store) -> None:
    stream, store = Stream(seed=0), open_store()
    run_engine(stream.log(1_000_000), store, FOLDS, RULES, 0)
    assert store.progress().epoch > 2
    for fold in FOLDS:
        rows = store.dump(fold.table).rows(named=True)
        assert in_words(rows, fold.step) == on_paper(stream.admitted, fold.step), fold.name
    check_notices(store, FOLDS)
