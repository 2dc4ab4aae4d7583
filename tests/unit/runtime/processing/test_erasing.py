import pytest

from rtcdp.clock import SystemClock
from rtcdp.errors import UsageError
from rtcdp.runtime.processes.locks import AlreadyRunning
from rtcdp.runtime.processing import processor_of
from rtcdp.runtime.processing.erasing import erase
from rtcdp.runtime.user_data.receipts import is_genuine
from tests.unit.runtime.small_shop import files_with, settings_of, visit

CLOCK = SystemClock()


def test_what_waits_is_counted_before_and_the_receipt_is_signed(tmp_path):
    settings = settings_of(tmp_path)
    visit(settings, "olga", "bob", "olga")
    with pytest.raises(UsageError):
        erase(settings, CLOCK, "", "test")
    with processor_of(settings, CLOCK), pytest.raises(AlreadyRunning):
        erase(settings, CLOCK, "olga", "test")
    receipt = erase(settings, CLOCK, "olga", "test")
    assert (receipt.records, receipt.log_records, receipt.found) == ({"admitted": 2}, 2, ())
    assert is_genuine(tmp_path, receipt)
    assert files_with(tmp_path, "olga") == []
