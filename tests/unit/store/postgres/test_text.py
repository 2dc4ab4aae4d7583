import random

import polars as pl
import pytest

from rtcdp.definitions import tables_of
from rtcdp.store import Scan
from rtcdp.store.postgres.text import (
    KEY_BYTES_MAX,
    restored,
    stored_rows,
    stored_scan,
    stored_text,
    text_columns,
)
from rtcdp.testing.epochs import rows_of


@pytest.fixture
def buckets(written_out):
    return tables_of(written_out)[0]


@pytest.fixture
def items(written_out):
    return tables_of(written_out)[2]


def sold(buckets, *texts):
    """A row for each (start, page, user)."""
    return rows_of(buckets, *((*text, 1, 0, 0, 0, 0, 0, None, None) for text in texts))


def wide_text(seed=0, length=2048):
    rng = random.Random(seed)
    return "".join(chr(rng.randrange(0x20000, 0x2A6D0)) for _ in range(length))


def size(text):
    return len(text.encode())


def test_the_texts_of_a_key_share_what_an_index_takes(buckets, items):
    assert text_columns(buckets) == ["pageUrl", "userId"]
    assert text_columns(items) == ["pageUrl", "userId", "item"]
    allowed = KEY_BYTES_MAX // 2
    assert stored_text(buckets, "x" * allowed) == "x" * allowed
    assert size(stored_text(buckets, "x" * (allowed + 1))) == allowed
    assert size(stored_text(items, wide_text())) <= KEY_BYTES_MAX // 3


def test_escapes_count_as_what_they_are_on_disk(buckets):
    allowed = KEY_BYTES_MAX // 2
    text = "\1" * (allowed // 2 + 1)
    assert stored_text(buckets, text) != text
    assert "\1" not in stored_text(buckets, text)


def test_two_long_texts_that_begin_alike_are_two(buckets):
    one, other = wide_text() + "1", wide_text() + "2"
    assert stored_text(buckets, one) != stored_text(buckets, other)
    assert stored_text(buckets, one)[:100] == one[:100]


def test_a_text_that_looks_as_if_it_stood_for_another_is_told_from_it(buckets):
    short = stored_text(buckets, wide_text())
    assert stored_text(buckets, short) != short
    assert stored_text(buckets, short[1:] + "x") == short[1:] + "x"


def test_ordinary_rows_are_left_alone(buckets):
    rows = sold(buckets, (0, "/a", "ada"), (0, "/…#", "ada"))
    stored = stored_rows(buckets, rows)
    assert stored.rows is rows
    assert stored.long_texts.is_empty()


def test_long_texts_rest_beside_the_rows_with_their_newest_bucket(buckets):
    page, user = wide_text(1), wide_text(2, 500)
    rows = sold(buckets, (0, page, user), (60_000, page, "ada"), (0, "/a", "ada"))
    stored = stored_rows(buckets, rows)
    assert stored.rows["pageUrl"].str.len_bytes().max() <= KEY_BYTES_MAX // 2
    assert stored.rows["userId"].to_list()[1:] == ["ada", "ada"]
    assert sorted(stored.long_texts.select("full_text", "newest_bucket").rows()) == sorted(
        [(page, 60_000), (user, 0)]
    )
    texts = dict(stored.long_texts.select("short", "full_text").rows())
    asked = []

    def look_up(shorts):
        asked.extend(shorts)
        return texts

    assert restored(buckets, stored.rows, look_up).equals(rows)
    assert sorted(asked) == sorted(texts)


def test_long_texts_are_in_one_order_so_that_no_two_writers_wait_for_each_other(buckets):
    pages = [wide_text(seed) for seed in range(30)]
    rows = sold(buckets, *((0, page, "ann") for page in pages))
    shorts = stored_rows(buckets, rows).long_texts["short"].to_list()
    assert shorts == sorted(stored_text(buckets, page) for page in pages)


def test_a_scan_asks_for_what_rests(buckets):
    page = wide_text()
    short = stored_text(buckets, page)
    scan = stored_scan(Scan(buckets, {"pageUrl": page}, after=(5, page, "ada")))
    assert scan.equals == {"pageUrl": short}
    assert scan.after == (5, short, "ada")
    assert stored_scan(Scan(buckets)) == Scan(buckets)


def test_groups_are_rows_with_fewer_columns(buckets):
    groups = pl.DataFrame({"window_start": [0], "pageUrl": [wide_text()]})
    stored = stored_rows(buckets, groups)
    assert stored.rows["pageUrl"].item() == stored_text(buckets, wide_text())
