"""A user is given out and erased while the platform runs, over HTTP and at the command line."""

import json
import time
from urllib.parse import quote

from rtcdp.cli.app import run
from tests.unit.runtime.small_shop import files_with

ADA, BOB, COY = "ada/ü@example.org", "bob@example.org", "coy@example.org"


def send(platform, *users):
    now = time.time_ns() // 1_000_000
    events = [
        {"userId": user, "timestamp": now - n, "eventType": "PAGE_VIEW", "pageUrl": f"/{n}"}
        for user in users
        for n in range(40)
    ]
    platform.client.post("/v1/events", json=events).raise_for_status()


def test_the_processor_that_is_at_work_erases_and_goes_on(up, rtcdp, capsys):
    platform = up("--no-generate")
    data = platform.data_dir
    send(platform, ADA, BOB, COY)
    platform.wait_for(lambda: platform.admitted() == 120)
    address = f"/api/user-data/{quote(ADA, safe='')}"
    exported = platform.client.get(address)
    kinds = {json.loads(line)["kind"] for line in exported.text.splitlines()}
    assert (exported.headers["content-type"], kinds >= {"record", "metric", "fold"}) == (
        "application/jsonl",
        True,
    )
    asked = platform.client.delete(address)
    assert asked.status_code == 202
    where = asked.headers["location"]
    send(platform, BOB)
    platform.wait_for(lambda: platform.client.get(where).json()["state"] == "done")
    receipt = platform.client.get(where).json()["receipt"]
    assert (receipt["records"], receipt["found"]) == ({"admitted": 40}, [])
    assert files_with(data, ADA) == []
    assert platform.client.get(address).text == ""

    erased = rtcdp("users", "erase", COY, "--yes", "--data-dir", data)
    assert erased.returncode == 0, erased.stderr
    assert "the processor that is at work is asked to do it" in erased.stderr
    assert "erased 40 records" in erased.stdout
    send(platform, ADA, BOB)
    platform.wait_for(lambda: platform.totals()["received"] == 240)
    platform.wait_for(lambda: platform.totals()["admitted"] + platform.totals()["erased"] == 240)
    # What ADA did afterwards counts; the processes were not started anew.
    assert platform.totals()["erased"] == 80
    platform.hear("an erasure is done")
    assert platform.stop() == 130
    assert files_with(data, COY) == []
    for way in ((), ("--independent",)):
        assert run(["verify", *way, "--data-dir", str(data)]) == 0
    receipts = [str(path) for path in (data / "erasures").glob("*.json")]
    assert len(receipts) == 2
    assert run(["users", "verify-receipt", *receipts, "--user", COY, "--data-dir", str(data)]) == 0
    capsys.readouterr()
