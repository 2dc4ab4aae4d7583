import os
import stat

import pytest

from rtcdp.private_files import make_private_folder, open_private_file


@pytest.fixture(autouse=True)
def _open_to_all():
    before = os.umask(0o000)
    yield
    os.umask(before)


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_every_folder_that_is_made_is_the_owners_alone(tmp_path):
    make_private_folder(tmp_path / "a" / "b" / "c")
    assert [mode_of(tmp_path / part) for part in ("a", "a/b", "a/b/c")] == [0o700] * 3


def test_a_folder_that_is_there_is_left_as_it_is(tmp_path):
    (tmp_path / "a").mkdir(mode=0o755)
    make_private_folder(tmp_path / "a")
    make_private_folder(tmp_path / "a" / "b")
    assert (mode_of(tmp_path / "a"), mode_of(tmp_path / "a" / "b")) == (0o755, 0o700)


def test_a_file_that_is_made_is_the_owners_alone_and_begins_anew(tmp_path):
    path = tmp_path / "file"
    for text in (b"long text", b"short"):
        with os.fdopen(open_private_file(path), "wb") as file:
            file.write(text)
    assert (mode_of(path), path.read_bytes()) == (0o600, b"short")
