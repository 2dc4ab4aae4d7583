from contextlib import closing
from dataclasses import replace

import pytest

from rtcdp.admission.erased import ErasedUser
from rtcdp.clock import SystemClock
from rtcdp.errors import UsageError
from rtcdp.log.embedded import EmbeddedLogReader
from rtcdp.log.limits import Retention
from rtcdp.runtime.backup.erasing_again import erase_again, not_yet_erased, receipts_in
from rtcdp.runtime.user_data.receipts import Receipt, keep_receipt
from tests.unit.runtime.small_shop import count, files_with, settings_of, visit

SALT = "5a" * 16


def receipt(user, at):
    return Receipt(
        **{"user_digest": user.digest, "salt": user.salt, "erased_at": at, "by": "test"},
        **{"epoch": 1, "records": {}, "rows": {}, "log_records": 0},
    )


def test_the_newest_erasure_that_is_not_known_counts():
    ada, bob, eve = (ErasedUser.of(name, SALT, 5) for name in ("olga", "bob", "eve"))
    receipts = [receipt(ada, 5), receipt(bob, 7), receipt(bob, 9), receipt(eve, 3)]
    found = not_yet_erased(receipts, [ada, bob])
    assert found == sorted(
        [ErasedUser(bob.digest, SALT, 9), ErasedUser(eve.digest, SALT, 3)], key=lambda u: u.digest
    )


def test_whoever_has_a_record_of_any_kind_is_found_by_the_hash(tmp_path):
    settings, clock = settings_of(tmp_path), SystemClock()
    visit(settings, "olga", "bob", broken=b'{"userId":"zoe","timestamp":"never"}')
    count(settings)
    # Of these, the store alone knows.
    with closing(EmbeddedLogReader(settings.log_path)) as log:
        assert log.expire({0: 9}, Retention(0, 0, 0), clock.now_ms() + 9) == 3
    visit(settings, "fay", broken=b'{"userId":"gil","timestamp":"never"}')
    names = ("olga", "zoe", "fay", "gil", "nobody")
    wanted = [ErasedUser.of(name, SALT, clock.now_ms() + 60_000) for name in names]
    # That engine erases nobody.
    receipts = erase_again(replace(settings, engine="spark"), clock, wanted)
    assert len(receipts) == 4
    assert {name: files_with(tmp_path, name) for name in names} == {name: [] for name in names}
    assert files_with(tmp_path, "bob") != []
    visit(settings, "nobody", "bob")
    count(settings)
    assert files_with(tmp_path, "nobody") == []


def test_receipts_of_another_installation_are_refused(tmp_path):
    ada = ErasedUser.of("olga", SALT, 5)
    for folder in ("one", "two"):
        keep_receipt(tmp_path / folder, receipt(ada, 5))
    ours = tmp_path / "one" / "erasures"
    assert list(receipts_in([ours], tmp_path / "one")) == list(ours.glob("*.json"))
    with pytest.raises(UsageError, match="was not signed"):
        receipts_in([ours, tmp_path / "two" / "erasures"], tmp_path / "one")
