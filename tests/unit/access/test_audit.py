"""The audit log."""

import stat

import msgspec
import pytest

from rtcdp.access.audit import AuditLog
from rtcdp.clock import ManualClock
from rtcdp.errors import UsageError


def test_an_entry_is_a_line_in_a_file_of_its_owners(tmp_path) -> None:
    audit = AuditLog(tmp_path / "data", ManualClock(7))
    audit.note("key 1f2e3d4c", "login", address="10.0.0.1")
    audit.note("command line", "keys revoke\n{}", "x" * 1_000)
    path = tmp_path / "data" / "audit.jsonl"
    first, second = map(msgspec.json.decode, path.read_bytes().splitlines())
    assert first == {"at_ms": 7, "who": "key 1f2e3d4c", "action": "login", "address": "10.0.0.0"}
    assert (second["action"], len(second["what"])) == ("keys revoke\n{}", 300)
    AuditLog(path.parent, ManualClock(), whole_addresses=True).note("me", "login", "", "10.0.0.1")
    assert b'"address":"10.0.0.1"' in path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_can_not_be_noted_is_told(tmp_path) -> None:
    (tmp_path / "audit.jsonl").mkdir()
    with pytest.raises(UsageError, match="can't be written"):
        AuditLog(tmp_path, ManualClock()).note("somebody", "login")
