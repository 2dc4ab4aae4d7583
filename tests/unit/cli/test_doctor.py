import csv
import io
import json
import socket


def test_a_place_that_is_well_ends_with_0(rtcdp):
    done = rtcdp("doctor", "--port", 0)
    assert done.code == 0
    assert "✓  Python" in done.out


def test_what_is_broken_ends_with_1_and_a_hint(rtcdp):
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = rtcdp("doctor", "--port", server.getsockname()[1])
    assert done.code == 1
    assert "✗  port" in done.out
    assert "--port" in done.out


def test_findings_for_programs(rtcdp):
    found = json.loads(rtcdp("doctor", "--port", 0, "--json").out)["items"]
    assert found[0]["what"] == "Python"
    assert rtcdp("doctor", "--port", 0, "--csv").out.startswith("what,state,fact,hint\nPython,ok,")
    last = rtcdp("doctor", "--port", 0, "--store", "sqlite:x/y.db").out.splitlines()[-1]
    assert (last[:26], "store" in last) == ("nothing is broken; look at", True)


def test_each_setting_says_where_it_comes_from(rtcdp, tmp_path, monkeypatch):
    (tmp_path / "rtcdp.toml").write_text("users = 9\nrate = 1")
    monkeypatch.setenv("RTCDP_RATE", "3.5")
    document = json.loads(rtcdp("config", "--port", 7, "--json").out)
    origins = {row["key"]: (row["value"], row["origin"]) for row in document["items"]}
    assert origins["port"] == (7, "--port")
    assert origins["rate"] == (3.5, "RTCDP_RATE")
    assert origins["users"] == (9, "rtcdp.toml")
    assert origins["host"] == ("127.0.0.1", "default")


def test_only_what_was_changed_is_shown_if_that_is_wanted(rtcdp):
    rows = list(csv.DictReader(io.StringIO(rtcdp("config", "--changed", "--port", 7, "--csv").out)))
    assert [(row["key"], row["value"], row["origin"]) for row in rows] == [("port", "7", "--port")]
    assert rtcdp("config", "--changed").out == "every setting is at its default\n"
    (line,) = [line for line in rtcdp("config").out.splitlines() if line.startswith(" port")]
    assert line.split() == ["port", "8081", "default"]


def test_passwords_are_not_shown(rtcdp):
    said = rtcdp("config", "--store", "postgresql://ada:secret@h/d").out
    assert "postgresql://ada:…@h/d" in said
    assert "secret" not in said


def test_code_of_a_file_that_was_just_found_is_refused_everywhere(rtcdp, tmp_path):
    (tmp_path / "rtcdp.toml").write_text('catalog = "mine"')
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "evil.py").write_text("open('ran', 'w')")
    for command in (["doctor", "--port", 0], ["metrics"], ["up", "--port", 0], ["config"]):
        done = rtcdp(*command)
        assert (done.code, "names code to run" in done.err) == (2, True)
    assert not (tmp_path / "ran").exists()


def test_what_was_probably_meant_is_asked_for_and_what_has_no_effect_is_told(
    rtcdp, tmp_path, monkeypatch
):
    monkeypatch.setenv("RTCDP_PROT", "9000")
    told = rtcdp("config", "--changed")
    assert (told.code, "RTCDP_PROT" in told.out) == (0, False)
    assert "without effect: " in told.err
    assert "RTCDP_PROT" in told.err
    for text, meant in (("prot = 1", "port"), ("http.max_answer = 1", "max_answers")):
        (tmp_path / "rtcdp.toml").write_text(text)
        refused = rtcdp("config")
        assert (refused.code, f"did you mean {meant}? use one of" in refused.err) == (2, True)
