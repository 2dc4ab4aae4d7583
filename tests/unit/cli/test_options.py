import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from rtcdp.cli.options import data_flags, with_settings
from rtcdp.runtime.settings import Settings


@dataclass(frozen=True)
class Loudness:
    volume: Annotated[int, typer.Option("--volume")] = 3


@pytest.fixture
def called(monkeypatch, tmp_path):
    """Calls a command with a command line; gives what it was called with."""
    monkeypatch.chdir(tmp_path)
    app = typer.Typer()
    calls = []

    @app.command()
    @with_settings("port", "rate")
    def command(settings: Settings, word: str = "", *, loudness: Loudness) -> None:
        calls.append((settings, word, loudness))

    def call(*arguments: str) -> tuple[Settings, str, Loudness]:
        result = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return calls.pop()

    return call


def test_flags_become_settings(called):
    settings, _, _ = called("--port", "1", "--rate", "2.5", "--data-dir", "d")
    assert settings == Settings(port=1, rate=2.5, data_dir=Path("d"))


def test_without_flags_the_environment_holds(called, monkeypatch):
    monkeypatch.setenv("RTCDP_PORT", "7")
    assert called()[0].port == 7


def test_a_file_can_be_named(called, tmp_path):
    (tmp_path / "a.toml").write_text("port = 8")
    assert called("--config", "a.toml")[0].port == 8


def test_a_group_of_options_comes_as_one(called):
    assert called("--word", "hey", "--volume", "9")[1:] == ("hey", Loudness(9))
    assert called()[1:] == ("", Loudness())


def test_an_option_can_stand_in_a_panel_of_its_own():
    @with_settings("port", "rate", panels={"rate": "How much"})
    def command(settings: Settings) -> None: ...

    panels = {
        parameter.name: parameter.annotation.__metadata__[0].rich_help_panel
        for parameter in inspect.signature(command).parameters.values()
    }
    assert (panels["port"], panels["rate"]) == ("Settings", "How much")


def test_hints_name_the_same_data_again():
    assert data_flags(Settings()) == ""
    flags = data_flags(Settings(data_dir=Path("d"), store="sqlite:s"))
    assert flags == " --data-dir d --store sqlite:s"
