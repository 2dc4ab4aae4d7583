import pytest

from rtcdp.cli.app import run


def test_nothing_is_erased_where_there_is_nothing(tmp_path, capsys: pytest.CaptureFixture[str]):
    for command in (["export", "ada"], ["erase", "ada", "--yes"]):
        assert run(["users", *command, "--data-dir", str(tmp_path / "none")]) == 3
    assert not (tmp_path / "none").exists()
    assert run(["users", "verify-receipt", str(tmp_path / "x"), "--data-dir", str(tmp_path)]) == 2
    assert "is no receipt" in capsys.readouterr().err
