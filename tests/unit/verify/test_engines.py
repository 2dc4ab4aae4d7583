import pytest

from rtcdp.clock import ManualClock
from rtcdp.errors import UsageError
from rtcdp.runtime.settings import Settings
from rtcdp.verify.engines import EngineRun, compare_engines, differences_between, parse_engines


def test_engines_are_named_with_commas():
    assert parse_engines("spark, native") == ("spark", "native")


@pytest.mark.parametrize("text", ["native", "native,native", "native,flink", "", "native,"])
def test_two_different_engines_have_to_be_named(text):
    with pytest.raises(UsageError, match="name engines to compare") as caught:
        parse_engines(text)
    assert "--engines native,spark" in caught.value.hint


def test_an_engine_that_can_t_read_the_log_is_refused_before_anything_runs(tmp_path):
    settings = Settings(data_dir=tmp_path / "data")
    with pytest.raises(UsageError, match="spark reads Kafka"):
        compare_engines(settings, ("native", "spark"), ManualClock(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def run(engine, rows):
    return EngineRun(engine, {"views": rows}, {0: 3}, 3)


def test_what_differs_is_told_with_the_engine_that_differs():
    first = run("native", {(0, "ada"): (2,), (0, "bob"): (1,)})
    other = run("spark", {(0, "ada"): (3,), (0, "eve"): (1,)})
    found = {d.key: (d.expected, d.found, d.note) for d in differences_between(first, [other])}
    assert found == {
        (0, "ada"): ((2,), (3,), "spark"),
        (0, "bob"): ((1,), None, "spark"),
        (0, "eve"): (None, (1,), "spark"),
    }


def test_equal_runs_have_no_difference():
    rows = {(0, "ada"): (2,)}
    assert differences_between(run("native", rows), [run("spark", dict(rows))]) == []
