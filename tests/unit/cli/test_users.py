import pytest

from rtcdp.cli import users
from rtcdp.cli.app import run
from rtcdp.clock import SystemClock
from rtcdp.runtime.processes.locks import processor_lock
from rtcdp.runtime.user_data.requests import ErasureRequests
from tests.unit.runtime.small_shop import count, settings_of, visit


def test_nothing_is_erased_where_there_is_nothing(tmp_path, capsys: pytest.CaptureFixture[str]):
    for command in (["export", "ada"], ["erase", "ada", "--yes"]):
        assert run(["users", *command, "--data-dir", str(tmp_path / "none")]) == 3
    assert not (tmp_path / "none").exists()
    assert run(["users", "verify-receipt", str(tmp_path / "x"), "--data-dir", str(tmp_path)]) == 2
    assert "is no receipt: No such file" in capsys.readouterr().err


def test_of_whom_nothing_is_known_it_says_so_beside_the_empty_result(
    tmp_path, capsys: pytest.CaptureFixture[str]
):
    settings = settings_of(tmp_path)
    visit(settings, "ada")
    count(settings)
    for user, says in (("Ada", "nothing is known"), ("ada", "")):
        assert run(["users", "export", user, "--data-dir", str(settings.data_dir)]) == 0
        told = capsys.readouterr()
        assert bool(told.out) is not bool(says)
        assert told.err.startswith(says)
        assert bool(told.err) is bool(says)


def test_who_waits_too_long_takes_back_what_they_asked_for_and_nothing_else(
    tmp_path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(users, "_TAKEN_UP_S", 0.1)
    settings = settings_of(tmp_path / "data")
    visit(settings, "ada", "bob")
    count(settings)
    requests = ErasureRequests(settings.data_dir, SystemClock())
    of_admin, _ = requests.ask("ada", "key 1")
    with processor_lock(settings):
        for user in ("ada", "bob"):
            erase = ["users", "erase", user, "--yes", "--folds", "none"]
            assert run([*erase, "--data-dir", str(settings.data_dir)]) != 0
            assert "a processor runs already" in capsys.readouterr().err
            assert requests.waiting() == [of_admin.id]
    assert requests.state(of_admin.id).state == "waiting"
