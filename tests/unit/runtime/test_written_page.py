"""A page that is worked out is written, or held against what it says."""

from rtcdp.runtime.written_page import write_or_check

MODULE = "shop.pages"


def test_a_page_is_made_of_what_it_said_before(tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text("by hand\n")

    def written(*arguments: str) -> int:
        return write_or_check(
            arguments, page, lambda text: text.removesuffix("new") + "new", MODULE
        )

    assert written("--check") == 1
    assert capsys.readouterr().err == f"{page} is out of date: run python -m shop.pages\n"
    assert page.read_text() == "by hand\n"
    assert written() == 0
    assert page.read_text() == "by hand\nnew"
    assert written("--check") == 0


def test_another_page_may_be_named_and_need_not_be_there(tmp_path):
    page, other = tmp_path / "page.md", tmp_path / "other.md"
    assert write_or_check([str(other)], page, lambda text: f"{text}!", MODULE) == 0
    assert (other.read_text(), page.exists()) == ("!", False)


def test_what_it_does_not_know_it_refuses(tmp_path, capsys):
    for arguments in (["--chekc"], ["one.md", "two.md"]):
        assert write_or_check(arguments, tmp_path / "page.md", str, MODULE) == 2
        assert "give [--check] [PAGE]" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
