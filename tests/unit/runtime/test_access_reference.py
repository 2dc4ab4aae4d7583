"""The matrix of routes and keys."""

from pathlib import Path

import pytest

from rtcdp.runtime.access_reference import Route, main, with_matrix

PAGE = Path(__file__).parents[3] / "docs" / "access.md"


def test_the_page_is_up_to_date():
    assert main(["--check", str(PAGE)]) == 0


def test_a_page_that_is_out_of_date_is_told_and_written_anew(tmp_path, capsys):
    page = tmp_path / "access.md"
    page.write_text(
        PAGE.read_text().replace("| `/api/ledger` | GET | –", "| `/api/ledger` | GET | ✓")
    )
    assert main(["--check", str(page)]) == 1
    assert f"{page} is out of date" in capsys.readouterr().err
    assert main([str(page)]) == 0
    assert page.read_text() == PAGE.read_text()


def test_a_page_without_a_place_for_it_is_left_alone():
    with pytest.raises(ValueError, match="routes: begin"):
        with_matrix("# Access\n")


def test_what_is_not_declared_is_for_administrators():
    forgotten = Route("/a", "GET", None)
    assert forgotten.is_open_to(("admin",))
    assert not forgotten.is_open_to(("read", "write"))
    assert Route("/a", "POST", "send").is_open_to(("write",), is_in_page=True)
    assert not Route("/a", "POST", "write").is_open_to(("write",), is_in_page=True)
