"""The Python of README.md and docs does what the page says, as it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rtcdp.catalog.catalog import read_definition
from tests.documented import PAGES, ROOT, steps_of

_BLOCK = re.compile(r"^```python\n", re.MULTILINE)
WITHOUT_TESTS = ("docs/metrics.md", "docs/anomalies.md", "docs/recommendations.md")
"""README.md shows how a metric is tested."""
WITH_CODE = [page for page in PAGES if _BLOCK.search((ROOT / page).read_text(encoding="utf-8"))]


def files_of(page: str, folder: Path) -> list[Path]:
    """The files that a reader of the page saves."""
    saved = []
    for step in steps_of(page):
        if step.file:
            saved.append(folder / step.file)
            saved[-1].parent.mkdir(exist_ok=True)
            saved[-1].write_text(step.text, encoding="utf-8")
    return saved


@pytest.mark.parametrize("page", WITH_CODE)
def test_every_piece_of_code_is_a_file(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert len(_BLOCK.findall(text)) == sum(bool(step.file) for step in steps_of(page))


@pytest.mark.parametrize("page", WITH_CODE)
def test_what_is_defined_has_no_fault(page, tmp_path):
    files = [file for file in files_of(page, tmp_path) if not file.name.startswith("test_")]
    assert files
    for file in files:
        definition, faults = read_definition(file)
        assert (definition is not None, faults) == (True, [])


@pytest.mark.parametrize("page", WITH_CODE)
def test_the_tests_pass(page, tmp_path):
    tests = [file for file in files_of(page, tmp_path) if file.name.startswith("test_")]
    if page in WITHOUT_TESTS:
        assert not tests
        return
    assert tests
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *map(str, tests)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
