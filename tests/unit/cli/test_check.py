"""The command `check`: a folder of metrics before anything runs."""

import json
from pathlib import Path

import pytest

from rtcdp.catalog.catalog import load_catalog, load_folds
from rtcdp.cli.app import run
from rtcdp.definitions.enrichment import stored_metrics
from rtcdp.definitions.products import PRODUCT_TABLES
from rtcdp.folds.timeline import row_tables_of
from rtcdp.store.sqlite import SqliteStore

HEAD = "from rtcdp.definitions import *\n\n"
GOOD = HEAD + 'METRIC = Metric("mine", "M", tumbling(days=1), (Count("n"),), ("userId",))\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "catalog"
    folder.mkdir()
    return folder


def check(capsys, folder: Path, *flags: str) -> tuple[int, dict]:
    data = folder.parent / "data"
    code = run(["check", str(folder), "--data-dir", str(data), "--json", *flags])
    return code, json.loads(capsys.readouterr().out)


def test_a_good_folder_has_nothing_to_mend(capsys, folder) -> None:
    (folder / "mine.py").write_text(GOOD)
    code, found = check(capsys, folder)
    assert (code, found["items"], found["changes"]) == (0, [], {})
    assert "mine" in found["metrics"]
    assert run(["check", str(folder), "--data-dir", str(folder.parent / "data")]) == 0
    assert "nothing to mend" in capsys.readouterr().out


def test_every_fault_of_every_file_is_told_with_its_line(capsys, folder) -> None:
    (folder / "a.py").write_text(HEAD + 'METRIC = Metric("a", "A", tumbling(days=1), ())\n')
    (folder / "b.py").write_text(
        HEAD
        + 'KEY = (Buckets("value", (3, 1)), Property("pl an"))\n'
        + 'METRIC = Metric("b", "B", tumbling(days=1), (Quantile("p", 95),), KEY)\n'
    )
    (folder / "c.py").write_text("x = (1\n")
    (folder / "d.py").write_text(HEAD)
    (folder / "e.py").write_text(GOOD.replace("mine", "revenue"))
    (folder / "f.py").write_text(HEAD + 'W = Calendar("day", "Mars/Phobos")\n')
    (folder / "g.py").write_text(GOOD)
    code, found = check(capsys, folder)
    assert code == 1
    assert [(Path(each["file"]).name, each["line"]) for each in found["items"]] == [
        *[("a.py", 3), ("b.py", 4), ("b.py", 4), ("b.py", 4), ("c.py", 1), ("d.py", None)],
        *[("e.py", 3), ("f.py", 3)],
    ]
    assert all(each["message"] and each["hint"] for each in found["items"])
    assert run(["check", str(folder), "--data-dir", str(folder.parent / "data")]) == 1
    assert "8 to mend" in capsys.readouterr().out


def test_it_says_what_would_become_of_the_store(capsys, folder) -> None:
    data = folder.parent / "data"
    data.mkdir()
    (folder / "mine.py").write_text(GOOD)
    (folder / "old.py").write_text(GOOD.replace("mine", "old"))
    store = SqliteStore(data / "store.db")
    tables = [*row_tables_of(load_folds()), *PRODUCT_TABLES]
    store.prepare(stored_metrics(load_catalog(folder)), tables)
    store.close()
    assert check(capsys, folder)[1]["changes"] == {}
    (folder / "mine.py").write_text(GOOD.replace("days=1", "hours=1"))
    (folder / "old.py").unlink()
    (folder / "new.py").write_text(GOOD.replace("mine", "fresh"))
    code, found = check(capsys, folder)
    assert code == 0
    assert found["changes"] == {"mine": "changed", "fresh": "new", "old": "gone"}


def test_without_a_folder_it_asks_for_one(capsys, tmp_path) -> None:
    assert run(["check", "--data-dir", str(tmp_path)]) == 2
    assert "rtcdp check DIR" in capsys.readouterr().err
    assert run(["check", str(tmp_path / "nowhere")]) == 2
