import msgspec
import pytest

from rtcdp.admission.erased import erased_digest
from rtcdp.errors import UsageError
from rtcdp.runtime.user_data.receipts import (
    Receipt,
    is_genuine,
    keep_receipt,
    path_of,
    read_receipt,
)

SALT = "0a" * 16
RECEIPT = Receipt(
    user_digest=erased_digest("ada", SALT),
    salt=SALT,
    erased_at=5,
    by="bob",
    epoch=3,
    records={"admitted": 2},
    rows={},
    log_records=2,
)


def test_a_receipt_is_known_again_as_long_as_nobody_changes_it(tmp_path):
    kept = keep_receipt(tmp_path, RECEIPT)
    read = read_receipt(path_of(tmp_path, kept))
    assert read == kept
    assert is_genuine(tmp_path, read)
    assert not is_genuine(tmp_path, msgspec.structs.replace(read, by="eve"))
    assert (read.is_of("ada"), read.is_of("bob")) == (True, False)


def test_another_installation_signs_otherwise(tmp_path):
    kept = keep_receipt(tmp_path / "here", RECEIPT)
    keep_receipt(tmp_path / "there", RECEIPT)
    assert not is_genuine(tmp_path / "there", kept)
    with pytest.raises(UsageError, match="is missing"):
        is_genuine(tmp_path, kept)
    with pytest.raises(UsageError, match="is no receipt"):
        read_receipt(tmp_path / "nothing.json")


def test_half_a_key_signs_nothing_and_proves_nothing(tmp_path):
    kept = keep_receipt(tmp_path, RECEIPT)
    assert sorted(path.name for path in (tmp_path / "erasures").iterdir()) == [
        kept.name,
        "receipts.key",
    ]
    (tmp_path / "erasures" / "receipts.key").write_bytes(b"")
    with pytest.raises(UsageError, match="is no key"):
        keep_receipt(tmp_path, RECEIPT)
    with pytest.raises(UsageError, match="is no key"):
        is_genuine(tmp_path, kept)
