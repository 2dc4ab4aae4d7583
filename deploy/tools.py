"""Tools that are no part of the product, in an environment of their own, by hash."""

import subprocess
import sys
import venv
from collections.abc import Callable, Mapping
from pathlib import Path

from rtcdp.cli.terminal import complain
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


def exit_code_of(command: Callable[[], object]) -> int:
    """Run a command line; the exit code, which is that of the command `rtcdp`. What tools said last
    is shown below the first line of an error, as they said it."""
    try:
        command()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except RtcdpError as error:
        first, *rest = str(error).splitlines() or [""]
        complain(type(error)(first, error.hint))
        sys.stderr.writelines(f"{line}\n" for line in rest)
        return error.exit_code
    return 0
