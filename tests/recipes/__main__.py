"""Writes the table of docs/architecture.md: `python -m tests.recipes`."""

import tempfile
from pathlib import Path

from tests.recipes.recipes import RECIPES, ROOT, copy_of_the_project, table_of, touched, with_table

PAGE = ROOT / "docs" / "architecture.md"


def main() -> None:
    """Follow every recipe in a copy of its own, and write down what it touched."""
    found = {}
    for recipe in RECIPES:
        with tempfile.TemporaryDirectory() as name:
            tree = copy_of_the_project(Path(name))
            recipe.follow(tree)
            found[recipe.name] = touched(tree)
    PAGE.write_text(with_table(PAGE.read_text(), table_of(found)))


main()
