"""What CONTRIBUTING.md promises to whoever adds something: the recipes are followed, and hold."""

import os
import re
import subprocess
import sys

import pytest

from tests.recipes.recipes import (
    RECIPES,
    ROOT,
    copy_of_the_project,
    table_of,
    take_back,
    touched,
    with_table,
)

STEPS_MAX = 10


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return copy_of_the_project(tmp_path_factory.mktemp("copy") / "project")


@pytest.fixture
def tree(project):
    """The copy of the project, as it was at first."""
    yield project
    take_back(project)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_recipe_touches_what_it_says_and_gets_the_rest(recipe, tree):
    recipe.follow(tree)
    assert touched(tree) == recipe.touches
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            f"tests/recipes/{recipe.proof}",
        ],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": f"{tree / 'src'}{os.pathsep}{tree}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]


def test_the_table_of_the_docs_says_so():
    page = (ROOT / "docs" / "architecture.md").read_text()
    table = table_of({recipe.name: recipe.touches for recipe in RECIPES})
    assert table in page
    assert with_table(page, table) == page


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_the_recipe_of_the_docs_is_short_and_names_what_it_touches(recipe):
    page = (ROOT / "CONTRIBUTING.md").read_text()
    section = re.search(rf"^### A {recipe.name}\n(.*?)(?=^##|\Z)", page, re.DOTALL | re.MULTILINE)
    assert section is not None
    text = section[1].strip()
    assert len(text.splitlines()) <= STEPS_MAX
    for place in recipe.touches:
        known = re.sub(
            "geometric_mean|searches|search_funnel|rules_in_force|rules|twin", "NAME", place
        )
        assert known in text
