"""A user is exported and erased at the command line, and the receipt is looked at."""

import json
from pathlib import Path


def lines_of(*users: str) -> str:
    events = [
        {
            "eventId": f"{user} {number}",
            "userId": user,
            "timestamp": 1_767_225_600_000 + number * 60_000,
            "eventType": "PAGE_VIEW",
            "pageUrl": f"/{number}",
        }
        for user in users
        for number in range(5)
    ]
    return "".join(json.dumps(event) + "\n" for event in events)


def files_with(folder: Path, text: str) -> list[str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return [path.name for path in files if text.encode() in path.read_bytes()]


def test_an_export_is_what_an_erasure_takes_and_the_receipt_says_so(rtcdp, tmp_path):
    data, recorded = tmp_path / "data", tmp_path / "recorded.jsonl"
    recorded.write_text(lines_of("ada@example.org", "bob@example.org"))
    here = ("--data-dir", data)
    assert rtcdp("replay", recorded, *here).returncode == 0
    exported = rtcdp("users", "export", "ada@example.org", *here)
    kinds = [json.loads(line) for line in exported.stdout.splitlines()]
    events = [each["event"]["eventId"] for each in kinds if each["kind"] == "record"]
    assert events == [f"ada@example.org {number}" for number in range(5)]
    assert {"user_page_view_counts", "sessions"} <= {each.get("name") for each in kinds}

    erased = rtcdp("users", "erase", "ada@example.org", "--yes", *here)
    assert erased.returncode == 0, erased.stderr + erased.stdout
    assert "erased 5 records" in erased.stdout
    assert files_with(data, "ada@example.org") == []
    assert files_with(data, "bob@example.org") != []
    assert rtcdp("users", "export", "ada@example.org", *here).stdout == ""
    assert rtcdp("verify", *here).returncode == 0
    assert "erased 5 ✓" in rtcdp("ledger", *here).stdout
    # The same file brings nobody back.
    assert rtcdp("replay", recorded, *here).returncode == 0
    assert files_with(data, "ada@example.org") == []

    (receipt,) = (data / "erasures").glob("*.json")
    told = json.loads(receipt.read_bytes())
    assert (told["records"], told["found"], told["log_records"]) == ({"admitted": 5}, [], 5)
    of_ada = ("users", "verify-receipt", receipt, "--user", "ada@example.org", *here)
    assert rtcdp(*of_ada).returncode == 0
    assert rtcdp(*of_ada[:-3], "bob@example.org", *here).returncode == 1
    receipt.write_text(receipt.read_text().replace('"admitted": 5', '"admitted": 4'))
    forged = rtcdp(*of_ada)
    assert (forged.returncode, forged.stdout) == (1, "the receipt is not as it was signed here\n")
