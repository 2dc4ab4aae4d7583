"""The door for recorded files says no before anything is read, and gives its place back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rtcdp.clock import SystemClock
from rtcdp.intake.collector import Collector
from rtcdp.intake.limits import CollectorLimits
from rtcdp.intake.problem import RequestRefused
from rtcdp.intake.recorded import FileAnswer, SentFile
from rtcdp.log.embedded import EmbeddedLogWriter
from rtcdp.runtime.collecting.file_door import CollectorFiles

LINE = b'{"userId":"u","timestamp":1767225600000,"eventType":"A"}\n'
LIMITS = CollectorLimits(max_imports=1, max_import_bytes=1_000)
OWN = """
format = "csv"
[fields]
userId = "{who}"
[event_type]
default = "SEEN"
[timestamp]
from = "{at}"
"""


@pytest.fixture
def door(tmp_path: Path) -> Iterator[CollectorFiles]:
    log = EmbeddedLogWriter(tmp_path / "log", SystemClock())
    collector = Collector(log, SystemClock(), LIMITS)
    files = CollectorFiles(collector, tmp_path)
    yield files
    files.close()
    collector.close()
    log.close()


def sent(body: bytes = LINE, **more: object) -> SentFile:
    return SentFile(source="shop", head=(body,), **more)  # type: ignore[arg-type]


async def refusal(door: CollectorFiles, file: SentFile) -> RequestRefused:
    with pytest.raises(RequestRefused) as refused:
        await door.take(file, None)
    return refused.value


async def test_a_file_is_taken_in_and_known_when_it_comes_again(door: CollectorFiles) -> None:
    assert await door.take(sent(3 * LINE + b"\n"), None) == FileAnswer(3, 0, known=0, blank=1)
    again = await door.take(sent(3 * LINE + b"\n"), None)
    assert (again.accepted, again.known) == (0, 4)


@pytest.mark.parametrize("name", ["../own", "/etc/passwd", "own.toml", "", "nobody", "a" * 65])
async def test_a_mapping_is_a_name_and_never_a_path(door: CollectorFiles, name: str) -> None:
    refused = await refusal(door, sent(mapping=name))
    assert refused.code == "unknown_mapping"
    assert "rees46" in refused.hint


async def test_a_mapping_of_the_operator_is_found_by_its_name(
    door: CollectorFiles, tmp_path: Path
) -> None:
    (tmp_path / "own.toml").write_text(OWN)
    line = b"who,at\nu,2026-01-01T00:00:00Z\n"
    assert (await door.take(sent(line, mapping="own"), None)).accepted == 1
    (tmp_path / "own.toml").write_text("format = 7")
    assert (await refusal(door, sent(line, mapping="own"))).code == "unknown_mapping"


@pytest.mark.parametrize(
    ("file", "code"),
    [
        (sent(encoding="br"), "unknown_encoding"),
        (sent(encoding="gzip"), "corrupt_encoding"),
        (sent(b""), "empty_body"),
        (sent(length=1_001), "body_too_large"),
        (sent(LINE * 20), "body_too_large"),
        (sent(b"a,b\n1,2\n", mapping="rees46"), "not_mapped"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
async def test_what_can_not_be_taken_is_told_and_leaves_the_place_free(
    door: CollectorFiles, file: SentFile, code: str
) -> None:
    assert (await refusal(door, file)).code == code
    assert (await door.take(sent(), None)).accepted == 1
