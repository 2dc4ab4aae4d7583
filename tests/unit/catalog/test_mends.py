"""A file that Python can't read is told in words of the vocabulary."""

from importlib import import_module

import pytest

from rtcdp.catalog.catalog import read_definition
from rtcdp.catalog.mends import _FOLD_WORDS

HEAD = "from rtcdp.definitions import *\n"
METRIC = "METRIC = Metric({})\n"
REST = 'name="mine", title="M", window=tumbling(hours=1), '
COUNT = 'measures=(Count("n"),)'


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("from rtcdp.definitions import Metrik\n", "did you mean Metric?"),
        ("from rtcdp.folds.funnels import Metric\n", "write: from rtcdp.definitions import Metric"),
        (METRIC.format(REST), "write: from rtcdp.definitions import Metric"),
        ("FOLD = Funel()\n", "did you mean Funnel?"),
        ("FOLD = Funnel()\n", "write: from rtcdp.folds.funnels import Funnel"),
        (HEAD + "W = tumbling(hour=1)\n", "did you mean hours? tumbling takes seconds=…"),
        (HEAD + "W = sliding(60, 30)\n", "sliding takes size_seconds, every_seconds"),
        (HEAD + METRIC.format(REST + COUNT + ", predicat=1"), "did you mean predicate? Metric"),
        (HEAD + METRIC.format(COUNT), "Metric takes name, title, window, measures"),
        (HEAD + METRIC.format(REST + 'measures=Count("n")'), "comma even after a single one"),
        (HEAD + METRIC.format(REST + 'measures=("n",)'), "comma even after a single one"),
        (HEAD + METRIC.format(REST + COUNT + ', key="productId"'), "('productId',)"),
        (HEAD + METRIC.format(REST + 'measures=(Count("n"), Count("n"))'), "a name of its own"),
        (HEAD + METRIC.format(REST + "measures=()"), "add one"),
        ("import nothing_of_that_name\n", "it only imports from rtcdp"),
        ("METRIC = 1 / 0\n", "it only imports from rtcdp"),
        ("METRIC = len()\n", "it only imports from rtcdp"),
    ],
)
def test_a_mistake_is_told_with_what_to_write(tmp_path, text, hint):
    file = tmp_path / "mine.py"
    file.write_text(text)
    definition, [fault] = read_definition(file)
    assert definition is None
    assert hint in fault.hint
    assert fault.hint == fault.hint.strip()
    assert fault.line == text.rstrip().count("\n") + 1


def test_where_the_library_lies_is_left_out(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("from rtcdp.definitions import Metrik\n")
    _, [fault] = read_definition(file)
    assert fault.message.endswith("cannot import name 'Metrik' from 'rtcdp.definitions'")


@pytest.mark.parametrize(("word", "place"), _FOLD_WORDS.items())
def test_the_steps_of_folds_are_where_it_says(word, place):
    assert hasattr(import_module(place), word)
