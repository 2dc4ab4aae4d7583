import subprocess
import sys

import pytest

from rtcdp.runtime.deferred import deferred
from rtcdp.runtime.processes.part import GENERATOR, HTTP, PARTS, PROCESSOR
from rtcdp.runtime.processes.signals import stop_at_signals

COMMAND_LINE = "rtcdp.cli:main"
UP = "rtcdp.cli.up:up"
COLUMNS = {"numpy", "polars"}
OVER_HTTP = {"httpx", "granian", "litestar"}
ON_A_TERMINAL = {"rich", "typer"}


def test_a_name_gives_what_it_stands_for():
    assert deferred("rtcdp.runtime.processes.signals:stop_at_signals") is stop_at_signals


@pytest.mark.parametrize("name", PARTS.values())
def test_every_part_is_where_its_name_says(name):
    assert callable(deferred(name))


@pytest.mark.parametrize(
    ("name", "unneeded"),
    [
        (COMMAND_LINE, COLUMNS | OVER_HTTP | {"pydantic", "rtcdp.runtime.settings"}),
        (UP, COLUMNS | OVER_HTTP | {"pydantic"}),
        ("rtcdp.runtime.processes.part:main", COLUMNS | OVER_HTTP | ON_A_TERMINAL),
        (PARTS[GENERATOR], COLUMNS | {"granian", "litestar"}),
        (PARTS[HTTP], {"httpx", "rtcdp.engines.native.processor", "rtcdp.sources"}),
        (PARTS[PROCESSOR], OVER_HTTP | ON_A_TERMINAL | {"asyncio", "rtcdp.sources"}),
    ],
)
def test_what_starts_often_imports_no_more_than_it_needs(name, unneeded):
    code = "import sys, pkgutil; pkgutil.resolve_name(sys.argv[1]); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, name], capture_output=True, text=True, check=True
    )
    assert not unneeded & set(done.stdout.split())
