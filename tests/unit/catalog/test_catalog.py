import os
import sys
from pathlib import Path

import pytest

from rtcdp.catalog.catalog import (
    chosen_folds,
    load_catalog,
    load_definition,
    load_folds,
)
from rtcdp.errors import UsageError

IMPORTS = """
from rtcdp.definitions import Count, Distinct
from rtcdp.definitions import Metric
from rtcdp.definitions import sliding, tumbling
"""


def definition(name: str, **other: str) -> str:
    parts = {"window": "tumbling(minutes=1)", "measures": '(Count("n"),)', **other}
    arguments = ", ".join(f"{field}={text}" for field, text in parts.items())
    return f"{IMPORTS}METRIC = Metric(name={name!r}, title='T', {arguments})\n"


def refusal(directory: Path) -> UsageError:
    """The error that loading `directory` ends with."""
    with pytest.raises(UsageError) as raised:
        load_catalog(directory)
    assert raised.value.hint
    return raised.value


def test_without_a_directory_there_are_the_built_in_metrics() -> None:
    names = [metric.name for metric in load_catalog()]

    assert "user_page_view_counts" in names
    assert len(names) >= 9


def test_metrics_of_a_user_follow_the_built_in_ones_in_file_order(tmp_path: Path) -> None:
    (tmp_path / "b.py").write_text(definition("first"))
    (tmp_path / "c.py").write_text(definition("second"))
    (tmp_path / "a.py").write_text(definition("third"))

    catalog = load_catalog(tmp_path)

    assert catalog[:-3] == load_catalog()
    assert [metric.name for metric in catalog[-3:]] == ["third", "first", "second"]


def test_other_files_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(definition("mine"))
    (tmp_path / "_draft.py").write_text("this is no Python")
    (tmp_path / ".#mine.py").write_text("an editor's lock")
    (tmp_path / "notes.md").write_text("# Notes")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "gone.py").write_text("nor is this")

    assert load_catalog(tmp_path)[-1].name == "mine"


def test_tests_may_lie_beside_their_metric(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(definition("mine"))
    for name in ("test_mine.py", "mine_test.py", "conftest.py"):
        (tmp_path / name).write_text("import no_such_library\n")

    assert load_catalog(tmp_path)[-1].name == "mine"


def test_a_file_without_a_metric_is_told_how_to_be_passed_over(tmp_path: Path) -> None:
    (tmp_path / "shared.py").write_text("LIMIT = 100\n")

    assert refusal(tmp_path).hint.endswith("call it _shared.py")


def test_a_file_name_need_not_be_a_python_name(tmp_path: Path) -> None:
    (tmp_path / "01 my-metric.v2.py").write_text(definition("mine"))

    assert load_catalog(tmp_path)[-1].name == "mine"


def test_loading_leaves_nothing_behind_in_the_interpreter(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text(definition("mine"))
    modules, path, directory = set(sys.modules), list(sys.path), Path.cwd()
    json = sys.modules.get("json")

    load_catalog(tmp_path)

    assert set(sys.modules) == modules
    assert sys.modules.get("json") is json
    assert (sys.path, Path.cwd()) == (path, directory)


def test_a_changed_file_is_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when its size and time of change are the same."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    file = tmp_path / "mine.py"
    file.write_text(definition("mine"))
    times = file.stat()
    load_catalog(tmp_path)

    file.write_text(definition("ours"))
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))

    assert load_catalog(tmp_path)[-1].name == "ours"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("METRIC = Metric(\n", ", line 1: it can't be read: SyntaxError: '(' was never closed"),
        (
            "import rtcdp\n\nimport no_such_library\n",
            ", line 3: it can't be read: ModuleNotFoundError",
        ),
        ("a = 1\nb = a / 0\n", ", line 2: it can't be read: ZeroDivisionError"),
        ("raise SystemExit(0)\n", ", line 1: it can't be read: SystemExit"),
        (
            definition("mine", measures='Count("n")'),
            ", line 5: the measures of mine can't be",
        ),
        ("", ": there is no METRIC in it, and no FOLD"),
        (definition("mine").replace("METRIC", "metric"), ": there is no METRIC in it"),
        ("METRIC = 'page views'\n", ": there is no METRIC in it"),
        (definition("Mine"), ", line 5: 'Mine' can't be the name of a metric or measure"),
        (definition("mine", measures="()"), ", line 5: metric mine needs at least one measure"),
        (definition("mine", window="tumbling()"), ", line 5: a window of 0 ms can't slide by 0 ms"),
        (definition("mine", key='("userID",)'), ", line 5: Metric.key[0] can't be 'userID'"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_fault(
    tmp_path: Path, text: str, message: str
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(text)

    assert str(refusal(tmp_path)).startswith(f"{file}{message}")


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_bytes(b"\xff\xfe\x00")

    assert str(refusal(tmp_path)).startswith(f"{tmp_path / 'mine.py'}")


def test_a_name_of_a_built_in_metric_is_taken(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(definition("revenue"))

    message = str(refusal(tmp_path))

    assert message.startswith(f"{tmp_path / 'mine.py'}: the name revenue is taken by")
    assert message.endswith("metrics/revenue.py")


def test_two_files_cannot_define_the_same_metric(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(definition("mine"))
    (tmp_path / "b.py").write_text(definition("mine"))

    assert str(tmp_path / "a.py") in str(refusal(tmp_path))
    assert str(tmp_path / "b.py") in str(refusal(tmp_path))


def test_a_name_is_taken_also_where_its_table_has_another_name(tmp_path: Path) -> None:
    window = "sliding(size_seconds=60, every_seconds=1)"
    (tmp_path / "mine.py").write_text(definition("revenue", window=window))

    assert "revenue" in str(refusal(tmp_path))


def test_tables_with_the_same_name_are_refused(tmp_path: Path) -> None:
    """The panes of the one would be the members of the other."""
    window = "sliding(size_seconds=60, every_seconds=1)"
    measures = '(Distinct("panes", "userId"),)'
    (tmp_path / "mine.py").write_text(definition("mine", window=window, measures=measures))

    assert "two tables called mine__panes" in str(refusal(tmp_path))


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert f"no directory {tmp_path / 'gone'}" in str(refusal(tmp_path / "gone"))


def test_of_a_file_the_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(definition("mine"))
    assert refusal(tmp_path / "mine.py").hint.endswith(f"it is in: {tmp_path}")


def test_a_directory_without_metrics_is_named(tmp_path: Path) -> None:
    assert str(refusal(tmp_path)) == f"{tmp_path} holds no metric and no fold"


def test_a_file_of_the_version_before_is_told_where_its_words_are_now(tmp_path):
    (tmp_path / "mine.py").write_text("from rtcdp.vocabulary.metric import Metric\n")
    with pytest.raises(UsageError) as caught:
        load_catalog(tmp_path)
    assert "from rtcdp.definitions import" in caught.value.hint


def test_built_in_folds_have_names_of_their_own_and_tables_that_any_store_takes() -> None:
    names = [fold.name for fold in load_folds()]

    assert {"sessions", "shop_funnel", "daily_retention", "page_paths"} <= set(names)
    assert len(set(names) | {metric.name for metric in load_catalog()}) == len(names) + len(
        load_catalog()
    )
    assert all(fold.table.name == fold.name for fold in load_folds())


def test_a_fold_that_makes_no_sense_is_refused_with_its_file_and_what_to_write(
    tmp_path: Path,
) -> None:
    file = tmp_path / "visits.py"
    file.write_text("from rtcdp.folds.sessions import Sessions\nSessions(gap_ms=0)\n")

    with pytest.raises(UsageError, match="visits") as raised:
        load_definition(file)

    assert "gap_ms" in raised.value.hint


FOLD = """
from rtcdp.definitions import Fold, event_type
from rtcdp.folds.funnels import Funnel, FunnelStep
FOLD = Fold(name={name!r}, title="T", step=Funnel(({steps})))
"""
STEPS = "FunnelStep('a', event_type('A')), FunnelStep('b', event_type('B'))"


def test_a_fold_of_a_user_lies_beside_metrics_and_runs_with_the_built_in_ones(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.py").write_text(definition("mine"))
    (tmp_path / "b.py").write_text(FOLD.format(name="way", steps=STEPS))

    assert load_catalog(tmp_path)[-1].name == "mine"
    assert load_folds(tmp_path)[:-1] == load_folds()
    assert load_folds(tmp_path)[-1].name == "way"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (FOLD.format(name="Way", steps=STEPS), ", line 4: 'Way' can't be the name of a fold"),
        (FOLD.format(name="revenue", steps=STEPS), ": the name revenue is taken by"),
        (FOLD.format(name="sessions", steps=STEPS), ": the name sessions is taken by"),
        (
            FOLD.format(name="way", steps=STEPS.replace("'B'", "'b'")),
            ", line 4: no event has the type 'b'",
        ),
        (
            FOLD.format(name="way", steps=STEPS.replace("'b', event_type('B')", "'b', 7")),
            ", line 4: Fold.step.steps[1].events can't be 7",
        ),
        (FOLD.format(name="way", steps=STEPS) + "METRIC = 1\n", ", line 4: there are METRIC and"),
        ("FOLD = 1\n", ": there is no METRIC in it, and no FOLD"),
    ],
)
def test_a_fold_that_cannot_be_used_is_named_with_its_fault(
    tmp_path: Path, text: str, message: str
) -> None:
    file = tmp_path / "way.py"
    file.write_text(text)

    assert str(refusal(tmp_path)).startswith(f"{file}{message}")


def test_which_folds_run_is_chosen_by_their_names() -> None:
    folds = load_folds()

    assert chosen_folds("all", folds) == folds
    assert chosen_folds("none", folds) == ()
    assert [fold.name for fold in chosen_folds("shop_funnel, sessions", folds)] == [
        "sessions",
        "shop_funnel",
    ]
    with pytest.raises(UsageError, match="no fold 'session'") as raised:
        chosen_folds("session", folds)
    assert "page_paths" in raised.value.hint
