"""Tools that are no part of the product, in an environment of their own, by hash."""

import subprocess
import venv
from collections.abc import Mapping
from pathlib import Path

from rtcdp.errors import RtcdpError

ROOT = Path(__file__).parents[1]
PINS = ROOT / "requirements" / "tools.txt"

_LAST_LINES = 25
_INSTALLED_WITHIN_S = 900


class ToolFailed(RtcdpError):
    """A program ended with an error, or took too long; the text ends with what it said last."""


def run(
    command: tuple[str, ...],
    within_s: float,
    environment: Mapping[str, str] | None = None,
    *,
    merged: bool = False,
) -> str:
    """What a program says on standard output; `merged` with standard error.

    Raises `ToolFailed` when it ends with an error, or takes longer than `within_s`.
    """
    shown = " ".join(command[:4])
    try:
        done = subprocess.run(
            command,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merged else subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            env=None if environment is None else dict(environment),
            timeout=within_s,
        )
    except subprocess.TimeoutExpired as error:
        raise ToolFailed(f"{shown} … took longer than {within_s:.0f} s", "try again") from error
    if done.returncode != 0:
        said = "\n  ".join((done.stdout + (done.stderr or "")).splitlines()[-_LAST_LINES:])
        raise ToolFailed(f"{shown} … ended with {done.returncode}:\n  {said}", "mend what it says")
    return done.stdout


def pinned_environment(folder: Path, pins: Path) -> Path:
    """An environment with what a file pins, by hash, made once; the folder of its programs.

    Raises `ToolFailed`.
    """
    programs = folder / "bin"
    installed = folder / "pins.txt"
    if not installed.exists() or installed.read_bytes() != pins.read_bytes():
        venv.create(folder, clear=True, with_pip=True)
        pip = (str(programs / "python"), "-m", "pip", "--quiet", "install", "--no-compile")
        run((*pip, "--require-hashes", f"--requirement={pins}"), _INSTALLED_WITHIN_S)
        installed.write_bytes(pins.read_bytes())
    return programs


def told_whole(error: RtcdpError) -> tuple[RtcdpError, list[str]]:
    """An error with the first line of its text alone, and the other lines."""
    first, *rest = str(error).splitlines() or [""]
    return type(error)(first, error.hint), rest
