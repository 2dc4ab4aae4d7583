"""Every command that README.md and docs show is typed as it stands there, in an environment that
those commands alone have made."""

import faulthandler
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.documented import (
    PAGES,
    Reader,
    Step,
    clone_of_this,
    not_ignored,
    steps_in,
    steps_of,
)

NOT_RUN = {
    r"make test": "this test is a part of it",
    r"make check": "`make test` does it before this test",
    r"docker\b": "there is no Docker where tests run; test_compose and test_dockerfile hold it",
}
"""Patterns of commands that can't be run here, and why."""

BEFORE = ("make full", "make dev", ". .venv/bin/activate")
"""What the pages of docs take for done: README's environment."""

PAGES_WITH_STEPS = [page for page in PAGES if any(not step.file for step in steps_of(page))]


def is_run(step: Step) -> bool:
    return bool(step.file) or not any(re.match(pattern, step.text) for pattern in NOT_RUN)


@pytest.fixture(scope="module")
def clone() -> Iterator[Path]:
    # Not below pytest's folder, which every other run closes to PostgreSQL's user again.
    with tempfile.TemporaryDirectory(prefix="rtcdp-documented-") as name:
        Path(name).chmod(0o755)
        yield clone_of_this(Path(name))


@pytest.fixture
def reader(clone: Path, tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(clone, tmp_path / "output.txt")
    yield reader
    reader.leave()


@pytest.mark.parametrize("page", PAGES_WITH_STEPS)
def test_every_command_of_a_page_works(page: str, reader: Reader, clone: Path) -> None:
    # Setting up takes what the network takes; the reader has limits of its own.
    faulthandler.cancel_dump_traceback_later()
    steps = [step for step in steps_of(page) if is_run(step)]
    if page != "README.md":
        steps = [*map(Step, BEFORE), *steps]
    for step in steps:
        reader.do(step)
    reader.ends()
    assert not_ignored(clone) == "", "git ignores what the commands make"


def test_what_is_not_run_is_still_there() -> None:
    commands = [step.text for page in (*PAGES, "CONTRIBUTING.md") for step in steps_of(page)]
    assert len(commands) > 20
    for pattern in NOT_RUN.keys() - {r"docker\b"}:
        assert any(re.match(pattern, command) for command in commands), pattern


def test_commands_are_found_in_all_their_shapes() -> None:
    page = """
```sh
make up   # and a comment
# only a comment

rtcdp process \\
  --once
curl here -d '{
  "a": 1}'
```

```python
# my-metrics/a.py
METRIC = 1
```

```python
print("no file")
```

```json
{"no": "command"}
```
"""
    assert list(steps_in(page)) == [
        Step("make up   # and a comment"),
        Step("rtcdp process   --once"),
        Step("curl here -d '{\n  \"a\": 1}'"),
        Step("# my-metrics/a.py\nMETRIC = 1\n", "my-metrics/a.py"),
    ]
