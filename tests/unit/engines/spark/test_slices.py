"""What travels through Spark comes out as it went in."""

import numpy as np
import polars as pl

from rtcdp.engines.spark.slices import (
    SliceAccount,
    pack_account,
    pack_frame,
    pack_offsets,
    unpack_account,
    unpack_frame,
    unpack_offsets,
)


def test_an_account_comes_out_as_it_went_in() -> None:
    account = SliceAccount(1, 0, True, True, 5, 9, 4, 3, b"c", None, -7, None, 12, b"l", b"u")
    assert unpack_account(pack_account(account)) == account


def test_columns_come_out_as_they_went_in() -> None:
    frame = pl.DataFrame({"text": ["ä😀", None, ""], "number": [1.5, None, -0.5]})
    assert unpack_frame(pack_frame(frame)).equals(frame)


def test_offsets_come_out_as_they_went_in() -> None:
    offsets = np.array([0, 7, 2**62], np.int64)
    assert unpack_offsets(pack_offsets(offsets)).tolist() == offsets.tolist()
