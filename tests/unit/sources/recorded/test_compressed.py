import gzip
import io
import tracemalloc

import pytest
import zstandard

from rtcdp.sources.recorded.compressed import Damaged, contents_of


def chunks_of(packed, size=1_000):
    return contents_of(io.BufferedReader(io.BytesIO(packed)), size)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
@pytest.mark.parametrize("content", [b"", b"x", b"some text " * 1_000])
def test_the_first_bytes_tell_how_it_is_unpacked(pack, content):
    assert b"".join(chunks_of(pack(content))) == content


@pytest.mark.parametrize("cut", [6, 20, -1])
def test_a_torn_zstd_file_is_damaged(cut):
    packed = zstandard.compress(bytes(range(256)) * 10)
    with pytest.raises(Damaged):
        list(chunks_of(packed[:cut]))


def test_what_follows_a_zstd_frame_must_be_another_one():
    with pytest.raises(Damaged):
        list(chunks_of(zstandard.compress(b"a") + b"no frame"))


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_a_bomb_is_unpacked_little_by_little(pack):
    packed = pack(bytes(80_000_000))
    tracemalloc.start()
    size = sum(map(len, chunks_of(packed, 65_536)))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size == 80_000_000
    assert most < 40_000_000
