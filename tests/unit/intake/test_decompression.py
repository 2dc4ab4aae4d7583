import gzip
import random
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
import zstandard

from rtcdp.intake.decompression import decompress
from rtcdp.intake.limits import CollectorLimits
from rtcdp.intake.problem import RequestRefused

LIMITS = CollectorLimits(max_decompressed_bytes=1000, max_members_per_body=20)
PLAIN = b"some events " * 50
NOISE = random.Random(1).randbytes(300)

Compress = Callable[[bytes], bytes]


def zstd_without_size(data: bytes) -> bytes:
    stream = zstandard.ZstdCompressor().compressobj()
    return stream.compress(data) + stream.flush()


CODECS: list[tuple[str, Compress]] = [
    ("gzip", gzip.compress),
    ("x-gzip", gzip.compress),
    ("zstd", zstandard.compress),
    ("zstd", zstd_without_size),
    ("zstd", zstandard.ZstdCompressor(write_checksum=True).compress),
]
every_codec = pytest.mark.parametrize(("encoding", "compress"), CODECS)


def refusal_of(body: bytes, encoding: str, limits: CollectorLimits = LIMITS) -> str:
    with pytest.raises(RequestRefused) as refused:
        decompress(body, encoding, limits)
    return refused.value.code


@pytest.mark.parametrize("encoding", ["", "identity"])
def test_a_plain_body_stays_as_it_is(encoding: str) -> None:
    assert decompress(PLAIN, encoding, LIMITS) is PLAIN


@every_codec
def test_what_was_compressed_comes_back(encoding: str, compress: Compress) -> None:
    assert decompress(compress(PLAIN), encoding, LIMITS) == PLAIN


@every_codec
def test_concatenated_members_are_one_body(encoding: str, compress: Compress) -> None:
    parts = compress(b"one,") + compress(b"") + compress(b"two")
    assert decompress(parts, encoding, LIMITS) == b"one,two"


@every_codec
def test_the_limit_is_exact(encoding: str, compress: Compress) -> None:
    assert len(decompress(compress(b"x" * 1000), encoding, LIMITS)) == 1000
    assert refusal_of(compress(b"x" * 1001), encoding) == "body_too_large"


@every_codec
def test_the_limit_holds_over_all_members_together(encoding: str, compress: Compress) -> None:
    assert len(decompress(compress(b"x" * 500) * 2, encoding, LIMITS)) == 1000
    assert refusal_of(compress(b"x" * 500) * 2 + compress(b"x"), encoding) == "body_too_large"


@every_codec
@pytest.mark.parametrize("plain", [PLAIN, NOISE], ids=["text", "noise"])
def test_a_truncated_body_is_refused_wherever_it_ends(
    encoding: str, compress: Compress, plain: bytes
) -> None:
    whole = compress(plain)
    for length in range(1, len(whole)):
        assert refusal_of(whole[:length], encoding) == "corrupt_encoding"
        assert refusal_of(whole + whole[:length], encoding) in (
            "corrupt_encoding",
            "body_too_large",
        )


@every_codec
def test_what_follows_the_compressed_data_is_refused(encoding: str, compress: Compress) -> None:
    assert refusal_of(compress(PLAIN) + b"more", encoding) == "corrupt_encoding"


@every_codec
def test_a_damaged_body_is_refused(encoding: str, compress: Compress) -> None:
    assert refusal_of(b"?" + compress(PLAIN)[1:], encoding) == "corrupt_encoding"
    assert refusal_of(PLAIN, encoding) == "corrupt_encoding"


def test_a_wrong_checksum_is_refused() -> None:
    body = bytearray(gzip.compress(PLAIN))
    body[-5] ^= 1
    assert refusal_of(bytes(body), "gzip") == "corrupt_encoding"


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_an_empty_body_is_empty_in_any_encoding(encoding: str) -> None:
    assert refusal_of(b"", encoding) == "empty_body"


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "gzip,zstd", "*", "compress"])
def test_any_other_encoding_is_refused_with_those_that_are_known(encoding: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        decompress(gzip.compress(PLAIN), encoding, LIMITS)
    assert refused.value.status == 415
    assert (b"accept-encoding", b"gzip, zstd") in refused.value.headers


def bomb_of_gzip(size: int) -> bytes:
    stream = zlib.compressobj(9, wbits=31)
    block = b"\0" * 2**20
    return b"".join([*(stream.compress(block) for _ in range(size // 2**20)), stream.flush()])


def bomb_of_zstd(size: int, states_size: bool) -> bytes:
    stream = zstandard.ZstdCompressor(write_content_size=states_size).compressobj(
        size=size if states_size else -1
    )
    block = b"\0" * 2**20
    return b"".join([*(stream.compress(block) for _ in range(size // 2**20)), stream.flush()])


@pytest.mark.parametrize(
    ("encoding", "bomb"),
    [
        ("gzip", bomb_of_gzip(256 * 2**20)),
        ("zstd", bomb_of_zstd(256 * 2**20, states_size=True)),
        ("zstd", bomb_of_zstd(256 * 2**20, states_size=False)),
    ],
    ids=["gzip", "zstd that states its size", "zstd that does not"],
)
def test_a_bomb_is_refused_without_being_unpacked(encoding: str, bomb: bytes) -> None:
    limits = CollectorLimits(max_decompressed_bytes=4 * 2**20)
    tracemalloc.start()
    try:
        assert refusal_of(bomb, encoding, limits) == "body_too_large"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * limits.max_decompressed_bytes


def test_a_zstd_frame_that_wants_much_memory_is_refused() -> None:
    wide = zstandard.ZstdCompressionParameters.from_level(3, window_log=27, enable_ldm=True)
    stream = zstandard.ZstdCompressor(compression_params=wide).compressobj()
    assert refusal_of(stream.compress(PLAIN) + stream.flush(), "zstd") == "corrupt_encoding"


def test_a_body_of_very_many_gzip_members_is_refused() -> None:
    assert decompress(gzip.compress(b"") * 20, "gzip", LIMITS) == b""
    assert refusal_of(gzip.compress(b"") * 21, "gzip") == "body_too_large"


def test_compressed_data_within_compressed_data_is_taken_for_what_it_is() -> None:
    assert decompress(gzip.compress(gzip.compress(PLAIN)), "gzip", LIMITS) == gzip.compress(PLAIN)
