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
