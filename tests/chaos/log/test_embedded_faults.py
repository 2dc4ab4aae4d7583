"""What was acknowledged is there after any fault, in order and without a gap."""

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rtcdp.clock import ManualClock
from rtcdp.errors import RtcdpError
from rtcdp.log.contract import Delivery
from rtcdp.log.embedded import EmbeddedLogReader, EmbeddedLogWriter, file_of

APPENDING = Path(__file__).with_name("appending.py")
STRACE = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=pwrite64,fdatasync")


def expected(n: int) -> bytes:
    return b'{"n":%d,"padding":"%s"}' % (n, b"%07d" % n * 100)


def acked(said: list[str]) -> int:
    """The last acknowledged next offset."""
    return max((int(line.split()[1]) for line in said if line.startswith("acked")), default=0)


def assert_complete(records: list[bytes], acked: int) -> None:
    assert records == [expected(n) for n in range(len(records))]
    assert len(records) >= acked


def test_nothing_acknowledged_is_lost_when_the_writer_is_killed(directory, recovered):
    chance = random.Random(20)
    for _ in range(6):
        shutil.rmtree(directory, ignore_errors=True)
        said: list[str] = []
        for _ in range(2):
            writer = subprocess.Popen(
                [sys.executable, str(APPENDING), str(directory), "100000", "20"],
                stdout=subprocess.PIPE,
            )
            said.append(writer.stdout.readline().decode())
            time.sleep(chance.uniform(0, 0.1))
            writer.kill()
            said += writer.stdout.read().decode().splitlines()
            writer.stdout.close()
            assert writer.wait() == -signal.SIGKILL
        whole = [line for line in said if len(line.split()) == 2]
        assert_complete(recovered(), acked(whole))


@pytest.mark.parametrize("call", ["fdatasync", "pwrite64"])
@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 9, 10, 13, 16, 21])
def test_a_kill_at_any_system_call_leaves_what_was_acknowledged(call, n, appending, recovered):
    said = appending(8, 40, under=(*STRACE, "-e", f"inject={call}:signal=KILL:when={n}"))
    assert_complete(recovered(), acked(said))


@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
def test_after_a_failed_fsync_the_writer_never_acknowledges_again(
    error, directory, appending, recovered
):
    EmbeddedLogWriter(directory, ManualClock()).close()
    failing = (*STRACE, "-e", f"inject=fdatasync:error={error}:when=6")
    said = appending(8, 20, under=failing)
    assert said[0] == "acked 20"
    assert "failed" in said
    assert set(said[said.index("failed") :]) == {"failed"}
    assert_complete(recovered(), acked(said))


def test_after_a_failed_fsync_the_file_is_not_written_to_again(directory, appending, tmp_path):
    EmbeddedLogWriter(directory, ManualClock()).close()
    trace = tmp_path / "trace"
    failing = "inject=fdatasync:error=EIO:when=6"
    strace = ("strace", "-f", "-y", "-o", trace, "-e", "trace=pwrite64,fdatasync", "-e", failing)
    said = appending(8, 20, under=strace)
    assert said.count("failed") > 1
    after_failure = trace.read_text().split("(INJECTED)")[1]
    assert "pwrite64" not in "".join(
        line for line in after_failure.splitlines(True) if "log.db-wal" in line
    )


def test_a_failed_write_ends_the_writer(directory, appending, recovered):
    EmbeddedLogWriter(directory, ManualClock()).close()
    failing = (
        *STRACE,
        "-P",
        f"{file_of(directory)}-wal",
        "-e",
        "inject=pwrite64:error=EIO:when=25",
    )
    said = appending(8, 20, under=failing)
    assert said[0] == "acked 20"
    assert set(said[said.index("failed") :]) == {"failed"}
    assert_complete(recovered(), acked(said))


def test_a_torn_write_loses_nothing_that_was_acknowledged(appending, recovered):
    """The system writes a part of a page, then refuses: the file may not grow any more."""
    said = appending(20, 40, 400_123)
    assert "failed" in said
    assert acked(said) > 0
    assert_complete(recovered(), acked(said))


def test_a_full_disk_refuses_appends_and_takes_them_again_when_there_is_space(
    directory, recovered, tmp_path
):
    """On a real file system of 4 MiB, most of it taken by another file."""
    directory.mkdir()
    script = f"""
        mount -t tmpfs -o size=4m tmpfs {directory} && cd {directory} || exit 9
        head -c 3000000 /dev/zero > ballast
        {sys.executable} {APPENDING} {directory} 30 20 > {tmp_path}/said &
        until grep -q unavailable {tmp_path}/said; do sleep 0.01; done
        rm ballast
        wait
        cp {directory}/log.db* {tmp_path}
    """
    unshare = shutil.which("unshare")
    command = [unshare, "--map-root-user", "--mount", "sh", "-c", script]
    subprocess.run(command, check=True, timeout=120)
    said = (tmp_path / "said").read_text().splitlines()
    refused = said.index("unavailable")
    assert said[0] == "acked 20"
    assert any(line.startswith("acked") for line in said[refused:])
    assert "failed" not in said
    for path in tmp_path.glob("log.db*"):
        shutil.move(path, directory)
    assert_complete(recovered(), acked(said))


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """A log as a power cut would leave it, none of it checkpointed; and the size that its WAL had
    after each group of ten records."""
    directory = tmp_path_factory.mktemp("image") / "log"
    wal = file_of(directory).with_name("log.db-wal")
    writer = EmbeddedLogWriter(directory, ManualClock())
    sizes = []
    for first in range(0, 100, 10):
        lines = b"".join(expected(n) + b"\n" for n in range(first, first + 10))
        writer.append([Delivery(lines, 10, 1000)])
        sizes.append(wal.stat().st_size)
    copy = tmp_path_factory.mktemp("copy")
    for path in (file_of(directory), wal):
        shutil.copy(path, copy)
    writer.close()
    return copy, sizes


@pytest.mark.parametrize("damage", ["cut", "garbled", "zeros"])
def test_a_torn_tail_of_the_wal_leaves_a_prefix_with_all_that_is_whole(
    damage, image, directory, recovered
):
    copy, sizes = image
    chance = random.Random(7)
    for _ in range(25):
        shutil.rmtree(directory, ignore_errors=True)
        shutil.copytree(copy, directory)
        wal = file_of(directory).with_name("log.db-wal")
        place = chance.randrange(sizes[0], sizes[-1])
        whole = wal.read_bytes()
        tail = {
            "cut": b"",
            "garbled": chance.randbytes(len(whole) - place),
            "zeros": bytes(len(whole) - place),
        }[damage]
        wal.write_bytes(whole[:place] + tail)
        complete = sum(10 for size in sizes if size <= place)
        records = recovered()
        assert_complete(records, complete)
        assert len(records) == complete


def test_no_flipped_bit_is_ever_taken_for_a_record(directory):
    """Wherever the file is damaged: an error that says so, or every record is either what was
    appended or a corrupt one, and their number is right."""
    chance = random.Random(11)
    writer = EmbeddedLogWriter(directory, ManualClock())
    total = 0
    for count in (3, 1, 40, 2, 5, 1):
        lines = b"".join(b"%d\n" % n for n in range(total, total + count))
        writer.append([Delivery(lines, count, 1000)])
        total += count
    writer.close()
    path = file_of(directory)
    sound = path.read_bytes()
    meaningful = [n for n, byte in enumerate(sound) if byte]
    seen = {"sound": 0, "corrupt": 0, "refused": 0}
    for _ in range(1000):
        place = chance.choice(meaningful)
        path.write_bytes(sound)
        with path.open("r+b") as file:
            file.seek(place)
            file.write(bytes([sound[place] ^ (1 << chance.randrange(8))]))
        reader = EmbeddedLogReader(directory)
        try:
            records = []
            max_bytes = chance.choice([20, 2**20])
            while len(records) < total and (
                part := list(reader.read(0, len(records), max_bytes).each())
            ):
                records += part
        except RtcdpError:
            seen["refused"] += 1
        else:
            assert [each.offset for each in records] == list(range(total)), place
            assert all(each.is_corrupt or each.raw == b"%d" % each.offset for each in records)
            assert all(each.received_at in (0, 1000) for each in records)
            seen["corrupt" if any(each.is_corrupt for each in records) else "sound"] += 1
        finally:
            reader.close()
    assert min(seen.values()) > 0
