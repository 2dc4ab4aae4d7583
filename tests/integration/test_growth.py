"""The curves of growth are taken by one command, and come out as a table and a picture."""

import re
import subprocess
import sys
from pathlib import Path

from bench.growth.curves import CURVES, Point, grows_by_decade
from bench.growth.picture import picture

ROOT = Path(__file__).resolve().parents[2]


def test_a_curve_is_a_line_of_the_table() -> None:
    command = [sys.executable, "-m", "bench.growth", "--only", "overlap", "--largest", "2"]
    done = subprocess.run(
        [*command, "--events", "2000", "--rounds", "1"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    line = done.stdout.splitlines()[-1]
    assert line.startswith("| windows that an event is in | 1: ")
    assert ", 2: " in line
    assert CURVES["overlap"].reason in line


def test_what_costs_ten_times_as_much_at_a_hundred_times_the_size_grows_by_the_root_of_ten() -> (
    None
):
    points = (Point(1, 1.0), Point(10, 2.0), Point(100, 10.0))
    assert round(grows_by_decade(points), 2) == 3.16


def test_the_picture_has_a_dot_for_each_point_and_dearer_ones_higher_up() -> None:
    found = {name: (Point(1, 1.0), Point(100, 4.0)) for name in ("users", "history")}
    dots = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', picture(found))
    assert len(dots) == 4
    for cheap, dear in zip(dots[::2], dots[1::2], strict=True):
        assert float(cheap[0]) < float(dear[0])
        assert float(cheap[1]) > float(dear[1])
