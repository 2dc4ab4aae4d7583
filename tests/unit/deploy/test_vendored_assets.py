"""What pages load that others wrote."""

import base64
import gzip
import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from deploy.vendored_assets import ASSETS, WrongAsset, listed, refresh

BYTES_MAX = 150_000


def archive(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as target:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            target.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def written_down(assets: Path, packed: bytes, content: bytes) -> None:
    integrity = base64.b64encode(hashlib.sha512(packed).digest()).decode()
    (assets / "vendored.toml").write_text(
        f"""[[package]]
name = "a"
origin = "there"
integrity = "sha512-{integrity}"
[package.files]
"a.js" = {{ as = "b.js", sha256 = "{hashlib.sha256(content).hexdigest()}" }}
"""
    )


def test_every_file_is_what_is_written_down() -> None:
    for package in listed():
        assert package["licence"]
        for file in package["files"].values():
            content = (ASSETS / file["as"]).read_bytes()
            assert hashlib.sha256(content).hexdigest() == file["sha256"], file["as"]


def test_all_that_pages_load_is_small() -> None:
    sizes = [
        len(gzip.compress(path.read_bytes()))
        for path in ASSETS.iterdir()
        if path.suffix in {".js", ".css", ".svg"}
    ]
    assert sum(sizes) < BYTES_MAX


def test_files_are_fetched_again(tmp_path: Path) -> None:
    packed = archive(**{"a.js": b"1"})
    written_down(tmp_path, packed, b"1")
    refresh({"there": packed}.__getitem__, tmp_path)
    assert (tmp_path / "b.js").read_bytes() == b"1"


def test_what_is_something_else_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    packed = archive(**{"a.js": b"1"})
    (tmp_path / "b.js").write_bytes(b"old")
    written_down(tmp_path, packed, b"1")
    with pytest.raises(WrongAsset, match="there is sha512"):
        refresh(lambda _: archive(**{"a.js": b"evil"}), tmp_path)
    written_down(tmp_path, packed, b"another")
    with pytest.raises(WrongAsset, match=r"a\.js is sha256"):
        refresh(lambda _: packed, tmp_path)
    assert (tmp_path / "b.js").read_bytes() == b"old"
