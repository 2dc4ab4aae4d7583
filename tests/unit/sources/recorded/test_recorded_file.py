import gzip

import pytest
import zstandard

from rtcdp.errors import PartMissing
from rtcdp.sources.recorded.recorded_file import MAX_LINE_BYTES, RecordedFile

PACKED = {
    "plain": bytes,
    "gzip": lambda content: gzip.compress(content, 1),
    "zstd": zstandard.ZstdCompressor().compress,
}


def read(path):
    with RecordedFile(path) as file:
        lines = list(file.lines())
        return lines, file


@pytest.fixture(params=["plain", "gzip", "zstd"])
def written(request, tmp_path):
    def write(content):
        path = tmp_path / "recorded"
        path.write_bytes(PACKED[request.param](content))
        return path

    return write


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        (b"", []),
        (b"a\nb\n", [b"a", b"b"]),
        (b"a\r\n\nb", [b"a", b"", b"b"]),
        (b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n", [b"a", b"\xef\xbb\xbfb"]),
        (b"\x00\xff\x0b\x0c\x1c\n\x85\n", [b"\x00\xff\x0b\x0c\x1c", b"\x85"]),
    ],
)
def test_only_line_feeds_end_lines(written, content, texts):
    lines, _ = read(written(content))
    assert [line.text for line in lines] == texts
    assert [line.number for line in lines] == list(range(1, len(texts) + 1))
    assert all(line.whole for line in lines)


def test_long_files_are_read_whole(written):
    texts = [b"%d" % number * 7 for number in range(100_000)]
    lines, _ = read(written(b"\n".join(texts)))
    assert [line.text for line in lines] == texts


def test_only_the_first_line_loses_a_byte_order_mark(written):
    mark = b"\xef\xbb\xbf"
    lines, _ = read(written((mark + b"\n") * 200_000))
    assert [line.text for line in lines] == [b""] + [mark] * 199_999


@pytest.mark.parametrize("length", [MAX_LINE_BYTES + 1, 300_000, 2_000_000])
def test_a_line_too_long_is_cut_and_those_after_it_are_not(written, length):
    lines, _ = read(written(b"a\n" + b"x" * length + b"\nb\n"))
    assert [(len(line.text), line.whole) for line in lines] == [
        (1, True),
        (MAX_LINE_BYTES, False),
        (1, True),
    ]


def test_the_longest_line_allowed_is_whole(written):
    lines, _ = read(written(b"x" * MAX_LINE_BYTES + b"\n"))
    assert [(len(line.text), line.whole) for line in lines] == [(MAX_LINE_BYTES, True)]


@pytest.mark.parametrize("form", ["gzip", "zstd"])
def test_of_a_torn_file_what_comes_before_is_read(tmp_path, form):
    path = tmp_path / "torn"
    texts = [b"line %d" % number for number in range(100_000)]
    packed = PACKED[form](b"\n".join(texts))
    path.write_bytes(packed[:-1_000])
    lines, file = read(path)
    assert len(lines) > 10_000
    assert [line.text for line in lines[:-1]] == texts[: len(lines) - 1]
    assert not lines[-1].whole
    assert "torn" in file.damage


def test_frames_behind_each_other_are_one_file(tmp_path):
    for form in ("gzip", "zstd"):
        path = tmp_path / form
        path.write_bytes(PACKED[form](b"a\nb") + PACKED[form](b"c\n") * 3)
        assert [line.text for line in read(path)[0]] == [b"a", b"bc", b"c", b"c"]


def test_blocks_hold_whole_lines_and_a_last_one_without_an_end_stands_alone(written):
    content = b"".join(b"%d\r\n" % number for number in range(100_000)) + b"last"
    with RecordedFile(written(content)) as file:
        blocks = list(file.blocks(100_000))
    assert b"".join(block.text for block in blocks) == content + b"\r\n"
    assert max(len(block.text) for block in blocks) < 500_000
    assert [block.number for block in blocks[1:]] == [
        block.number + block.line_count for block in blocks[:-1]
    ]
    assert blocks[-1].text == b"last\r\n"


def test_progress_ends_at_the_size_on_disk(written):
    path = written(b"a\n" * 100_000)
    with RecordedFile(path) as file:
        list(file.lines())
        assert file.bytes_read() == file.total_bytes == path.stat().st_size


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(PartMissing, match="nowhere"):
        RecordedFile(tmp_path / "nowhere")
