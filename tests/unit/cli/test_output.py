import json

import pytest

from rtcdp.cli import terminal
from rtcdp.cli.output import Form, Result, write
from rtcdp.errors import UsageError

RESULT = Result(("a", "b"), [{"a": 1, "b": [{"x": 2}]}, {"a": "\x9bx,y", "b": None}], {"n": 2})


def written(form, capsys):
    write(RESULT, form, lambda: terminal.say("a table"))
    return capsys.readouterr().out


def test_people_get_a_table(capsys):
    assert written(Form(), capsys) == "a table\n"


def test_programs_get_json(capsys):
    said = written(Form(json=True), capsys)
    assert json.loads(said) == {
        "n": 2,
        "items": [{"a": 1, "b": [{"x": 2}]}, {"a": "\x9bx,y", "b": None}],
    }
    assert "\x9b" not in said


def test_or_csv_with_every_text_as_it_is(capsys):
    assert written(Form(csv=True), capsys) == 'a,b\n1,"[{""x"":2}]"\n"\x9bx,y",\n'


def test_on_a_terminal_csv_steers_nothing(capsys, monkeypatch):
    monkeypatch.setattr(terminal.out, "_force_terminal", True)
    assert '"\\x9bx,y"' in written(Form(csv=True), capsys)


def test_a_result_has_one_form():
    with pytest.raises(UsageError, match="one form"):
        Form(json=True, csv=True)
