"""Build the wheel, run it where nothing of this checkout is, and list what it is made of.

`python -m deploy.wheel` leaves the wheel and its bill of materials (CycloneDX) in `dist/`:

1. The wheel is built from the checkout, with the pinned setuptools.
2. It is installed into a new environment with what `requirements/runtime.txt` pins, by hash. There
   the platform runs in an empty folder, takes an event and counts it. A store that an extra brings
   is refused with the words that say which.
3. What all extras pin is added. `pip check` finds nothing missing, and the store is reached for.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import typer

from deploy.servers.server_process import free_port
from deploy.tools import PINS, ROOT, ToolFailed, exit_code_of, pinned_environment, run
from rtcdp.cli.terminal import remark

_WITHIN_S = 900.0
_COUNTED_WITHIN_S = 120.0
_STOPPED_WITHIN_S = 60.0
_ABSENT = "postgresql://127.0.0.1:1/absent"
_EXTRA = re.compile(r"make full|rtcdp\[postgres\]")


def build(folder: Path) -> Path:
    """The wheel, built into `folder` without asking a registry. Raises `ToolFailed`."""
    pip = (sys.executable, "-m", "pip", "--quiet", "wheel", "--no-deps", "--no-build-isolation")
    with tempfile.TemporaryDirectory() as copy:
        source = Path(copy) / "source"
        kept_out = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / "src", source / "src", ignore=kept_out)
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, source)
        run((*pip, f"--wheel-dir={folder}", str(source)), _WITHIN_S)
    return max(folder.glob("rtcdp-*.whl"), key=lambda path: path.stat().st_mtime)


def components(programs: Path, environment: Path, path: Path) -> list[dict[str, object]]:
    """Write what is installed in an environment as a bill of materials; its components.

    Raises `ToolFailed` for one without a version or a licence.
    """
    run(
        (
            *(str(programs / "cyclonedx-py"), "environment", str(environment)),
            *("--pyproject", str(ROOT / "pyproject.toml"), "--output-reproducible"),
            *("--output-format", "JSON", "--output-file", str(path)),
        ),
        _WITHIN_S,
    )
    found: list[dict[str, object]] = json.loads(path.read_text())["components"]
    if lacking := [each["name"] for each in found if not each.get("version")]:
        raise ToolFailed(f"{path.name} has no version of {lacking}", "mend deploy/wheel.py")
    return found


def pinned(requirements: str) -> dict[str, str]:
    """The versions that a file of pins names, by package."""
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ;\\]+)", requirements, re.MULTILINE))


def differing(found: list[dict[str, object]], pins: dict[str, str]) -> list[str]:
    """Components that are not what is pinned, in words. The installer and rtcdp are not pinned."""
    installed = {
        str(each["name"]).lower().replace("_", "-").replace(".", "-"): str(each["version"])
        for each in found
    }
    return [
        f"{name} is {version}, and {pins.get(name, 'nothing')} is pinned"
        for name, version in sorted(installed.items())
        if name not in ("pip", "rtcdp") and pins.get(name) != version
    ]


@contextmanager
def _platform(rtcdp: Path, folder: Path) -> Iterator[str]:
    """The platform in a folder of its own, stopped at the end; its address."""
    port = free_port()
    with (folder / "told.txt").open("wb") as told:
        running = subprocess.Popen(
            (rtcdp, "up", "--no-generate", "--port", str(port)),
            cwd=folder,
            env=_bare_environment(),
            stdout=told,
            stderr=told,
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        running.send_signal(signal.SIGINT)
        running.wait(_STOPPED_WITHIN_S)


def _bare_environment() -> dict[str, str]:
    """The variables of this process but Python's and rtcdp's: nothing leads back here."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "RTCDP_", "VIRTUAL_ENV"))
    }


def _counts(address: str) -> None:
    event = {
        **{"eventId": "wheel-1", "userId": "wheel", "eventType": "PAGE_VIEW", "pageUrl": "/"},
        "timestamp": int(time.time() * 1000),
    }
    deadline = time.monotonic() + _COUNTED_WITHIN_S
    said = "nothing"
    with httpx.Client(base_url=address, trust_env=False, timeout=10) as client:
        while time.monotonic() < deadline:
            try:
                client.post("/v1/events", json=event).raise_for_status()
                said = client.get("/api/analytics/user/wheel/page-views").text
                if '"page_view_count":1' in said:
                    return
            except httpx.HTTPError as error:
                said = repr(error)
            time.sleep(0.5)
    raise ToolFailed(f"the event is not counted; the last answer: {said}", "see what it tells")


def _said_of_absent_store(rtcdp: Path, folder: Path) -> str:
    done = subprocess.run(
        (rtcdp, "status", "--store", _ABSENT),
        check=False,
        cwd=folder,
        env=_bare_environment(),
        capture_output=True,
        text=True,
        timeout=_WITHIN_S,
    )
    if done.returncode == 0:
        raise ToolFailed(f"there is no store at {_ABSENT}, and it is not missed", "mend it")
    return done.stderr


def check(folder: Path) -> None:
    """Go through the steps; the wheel and its bill of materials are in `folder` after it."""
    folder.mkdir(parents=True, exist_ok=True)
    wheel = build(folder)
    remark(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB")
    with tempfile.TemporaryDirectory() as elsewhere:
        place = Path(elsewhere)
        programs = pinned_environment(place / "venv", ROOT / "requirements" / "runtime.txt")
        pip = (str(programs / "python"), "-m", "pip", "--quiet")
        run((*pip, "install", "--no-deps", str(wheel)), _WITHIN_S)
        run((*pip, "check"), _WITHIN_S)
        (place / "data").mkdir()
        with _platform(programs / "rtcdp", place / "data") as address:
            _counts(address)
        if not _EXTRA.search(said := _said_of_absent_store(programs / "rtcdp", place / "data")):
            raise ToolFailed(f"without its extra, a store is refused with: {said}", "say which")
        remark("without extras: it runs, counts, and says which extra a store needs")
        full = ROOT / "requirements" / "full.txt"
        run((*pip, "install", "--no-compile", "--require-hashes", f"-r{full}"), _WITHIN_S)
        run((*pip, "check"), _WITHIN_S)
        if _EXTRA.search(said := _said_of_absent_store(programs / "rtcdp", place / "data")):
            raise ToolFailed(f"with its extra, a store is refused with: {said}", "mend it")
        remark("with all extras: nothing is missing, and servers are reached for")
        tools = pinned_environment(place / "tools", PINS)
        found = components(tools, place / "venv", folder / f"{wheel.stem}.cdx.json")
        if wrong := differing(found, pinned(full.read_text())):
            raise ToolFailed(f"what is installed is not what is pinned: {wrong}", "run: make lock")
        remark(f"{wheel.stem}.cdx.json: {len(found)} components, each as it is pinned")


def main() -> int:
    """Run the command line; the exit code."""
    return exit_code_of(lambda: typer.run(lambda: check(ROOT / "dist")))


if __name__ == "__main__":
    sys.exit(main())
