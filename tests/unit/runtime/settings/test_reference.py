from pathlib import Path

from rtcdp.runtime.settings.reference import main, settings_page

PAGE = Path(__file__).parents[4] / "docs" / "settings.md"


def test_the_page_of_settings_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == settings_page()


def test_a_page_that_is_out_of_date_is_told_and_written_anew(tmp_path, capsys):
    page = tmp_path / "settings.md"
    assert main(["--check", str(page)]) == 1
    assert f"{page} is out of date" in capsys.readouterr().err
    assert main([str(page)]) == 0
    assert main(["--check", str(page)]) == 0


def test_the_page_of_the_docs_is_meant_without_another_one(monkeypatch):
    monkeypatch.chdir(PAGE.parents[1])
    assert main(["--check"]) == 0
