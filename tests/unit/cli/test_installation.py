import json

from rtcdp.runtime.locks import Lock


def test_how_far_an_installation_is(rtcdp, events):
    rtcdp("replay", events)
    lines = rtcdp("status").out.splitlines()
    assert lines[0].split() == ["rtcdp", "up", "does", "not", "run", "here"]
    assert "3 records" in lines[1]
    assert lines[-1] == "received 3 = admitted 2 + duplicate 0 + late 0 + dead letter 1 ✓"
    found = json.loads(rtcdp("status", "--json").out)
    assert (found["logged"], found["waiting"], found["url"], found["epoch"]) == (3, 0, None, 1)
    assert found["totals"]["admitted"] == 2
    assert rtcdp("status", "--csv").out.startswith("data_dir,log,store,url,process")


def test_who_runs_it(rtcdp, events, tmp_path):
    rtcdp("replay", events)
    with Lock(tmp_path / "rtcdp-data" / "up.lock", "rtcdp") as lock:
        lock.announce("http://127.0.0.1:8081")
        assert "runs at http://127.0.0.1:8081" in rtcdp("status").out
