"""Fetches what pages load that others wrote, as `vendored.toml` beside it says, from the registry
that npm is set up for. What is not what is written there is refused, and nothing is changed then.

    python -m deploy.vendored_assets
"""

import base64
import hashlib
import io
import shutil
import subprocess
import tarfile
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ASSETS = Path(__file__).parents[1] / "src" / "rtcdp" / "dashboard" / "assets"
LIST = "vendored.toml"
_PATIENCE_S = 60


class WrongAsset(Exception):
    """What was fetched is not what is written down."""


def listed(assets: Path = ASSETS) -> list[dict[str, Any]]:
    """The packages that files were taken from."""
    found: list[dict[str, Any]] = tomllib.loads((assets / LIST).read_text())["package"]
    return found


def unpacked(package: Mapping[str, Any], archive: bytes) -> dict[str, bytes]:
    """The wanted files of a package's archive, by the names that they get. Raises `WrongAsset`."""
    kind, _, wanted = package["integrity"].partition("-")
    found = base64.b64encode(hashlib.new(kind, archive).digest()).decode()
    if found != wanted:
        raise WrongAsset(f"{package['origin']} is {kind}-{found}, and not {package['integrity']}")
    files = {}
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as packed:
        for name, file in package["files"].items():
            member = packed.extractfile(name)
            if member is None:
                raise WrongAsset(f"{package['origin']} has no file {name}")
            content = member.read()
            if (digest := hashlib.sha256(content).hexdigest()) != file["sha256"]:
                raise WrongAsset(f"{name} is sha256 {digest}, and not {file['sha256']}")
            files[file["as"]] = content
    return files


def refresh(fetch: Callable[[str], bytes], assets: Path = ASSETS) -> None:
    """Fetch all packages, and then write their files. Raises `WrongAsset`."""
    files: dict[str, bytes] = {}
    for package in listed(assets):
        files |= unpacked(package, fetch(package["origin"]))
    for name, content in files.items():
        (assets / name).write_bytes(content)


def _from_npm(origin: str) -> bytes:
    """The archive of `npm:NAME@VERSION`."""
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("npm is absent: apt-get install npm, then try again")
    with tempfile.TemporaryDirectory() as there:
        package = origin.removeprefix("npm:")
        command = [npm, "pack", "--silent", "--pack-destination", there, package]
        subprocess.run(command, check=True, timeout=_PATIENCE_S, stdout=subprocess.DEVNULL)
        (archive,) = Path(there).iterdir()
        return archive.read_bytes()


if __name__ == "__main__":
    refresh(_from_npm)
