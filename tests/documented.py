"""The commands that README.md and docs tell people to type, and a reader who types them."""

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.servers.server_process import accepts_connections, free_port

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))

_BLOCK = re.compile(r"^```(sh|bash|shell|console|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# (\S+/\S+\.py)\n")
_PORTS = (5432, 7077, 8080, 8081, 9092, 27017)
_RUNS_ON = re.compile(
    r"make up|rtcdp (up|serve|collect|generate --to (kafka|http))|python -m deploy\.servers"
    r"|rtcdp process(?!.*--once)"
)
"""What runs until Ctrl-C. Each gets a terminal of its own."""

SET_UP_S = 1200
ANSWER_S = 900
STOP_S = 120


@dataclass(frozen=True)
class Step:
    """What a reader does next: types `text`, or saves it as the file of that name."""

    text: str
    file: str = ""


def steps_of(page: str) -> list[Step]:
    """The steps of a page, in its order."""
    return list(steps_in((ROOT / page).read_text(encoding="utf-8")))


def steps_in(text: str) -> Iterator[Step]:
    """The steps of a page's text: each command of its shell blocks, and the Python blocks that say
    in their first line which file they are."""
    for kind, block in _BLOCK.findall(text):
        if kind == "python":
            if named := _FILE.match(block):
                yield Step(block, named[1])
            continue
        yield from map(Step, _commands(block))


def _commands(block: str) -> Iterator[str]:
    pending = ""
    for line in block.replace("\\\n", "").splitlines():
        pending = f"{pending}\n{line}" if pending else line
        try:
            words = shlex.split(pending, comments=True)
        except ValueError:  # a quote is open
            continue
        if words:
            yield pending.strip()
        pending = ""
    assert not pending, f"a quote is never closed: {pending}"


class Reader:
    """Types commands into a clone, on a machine that has nothing of ours but that clone.

    Ports are others than the documented ones. What runs on is stopped by Ctrl-C when the port that
    it has is wanted by the next, or at the end.
    """

    def __init__(self, clone: Path, output: Path) -> None:
        self._clone = clone
        self._output = output
        self._ports = {port: free_port() for port in _PORTS}
        self._environment = _bare_environment() | {"RTCDP_PORT": str(self._ports[8081])}
        self._running: list[tuple[str, int | None, subprocess.Popen[bytes]]] = []

    def do(self, step: Step) -> None:
        """Do one step. Raises `AssertionError` with what was said when it does not work."""
        if step.file:
            path = self._clone / step.file
            path.parent.mkdir(exist_ok=True)
            path.write_text(step.text, encoding="utf-8")
        elif step.text.startswith(". .venv/bin/activate"):
            binaries = self._clone / ".venv" / "bin"
            assert (binaries / "activate").exists()
            path_before = self._environment["PATH"]
            self._environment["PATH"] = f"{binaries}{os.pathsep}{path_before}"
        elif _RUNS_ON.match(step.text):
            self._run_on(step.text)
        elif step.text.startswith("curl"):
            self._ask(step.text)
        else:
            self._run(step.text)

    def ends(self) -> None:
        """Everything still runs; Ctrl-C ends it in order."""
        for command, _, process in self._running:
            assert process.poll() is None, f"{command} has ended:\n{self._said()}"
        while self._running:
            self._stop(self._running[-1])

    def leave(self) -> None:
        """Kill what is left, after a failure."""
        for _, _, process in self._running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _run(self, command: str) -> None:
        with self._output.open("ab") as output:
            done = self._start(command, output).wait(SET_UP_S)
        assert done == 0, f"{command} ended with {done}:\n{self._said()}"

    def _ask(self, command: str) -> None:
        """Until there is an answer that says something: what was just started needs its time."""
        asking = self._here(command).replace("curl", "curl -sS --fail-with-body", 1)
        deadline = time.monotonic() + ANSWER_S
        while True:
            done = subprocess.run(
                ["/bin/sh", "-c", asking],
                cwd=self._clone,
                env=self._environment,
                capture_output=True,
                check=False,
            )
            if done.returncode == 0 and _says_something(done.stdout):
                return
            said = f"{asking}\n{done.stdout.decode()}{done.stderr.decode()}\n{self._said()}"
            assert time.monotonic() < deadline, said
            time.sleep(0.2)

    def _run_on(self, command: str) -> None:
        port = _port_of(command)
        for one in [one for one in self._running if port is not None and one[1] == port]:
            self._stop(one)
        with self._output.open("ab") as output:
            process = self._start(command, output)
        self._running.append((command, port, process))
        deadline = time.monotonic() + SET_UP_S
        while port is not None and not accepts_connections(self._ports[port]):
            assert process.poll() is None, f"{command} has ended:\n{self._said()}"
            assert time.monotonic() < deadline, f"{command} listens to nobody:\n{self._said()}"
            time.sleep(0.2)

    def _start(self, command: str, output: object) -> "subprocess.Popen[bytes]":
        here = self._here(command)
        return subprocess.Popen(
            # As in a terminal: what was started in the background would not hear Ctrl-C.
            ["/usr/bin/env", "--default-signal=INT", "/bin/sh", "-c", here],
            cwd=self._clone,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=output,  # type: ignore[call-overload]
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _stop(self, one: "tuple[str, int | None, subprocess.Popen[bytes]]") -> None:
        command, _, process = one
        # A terminal's Ctrl-C goes to all of its processes.
        os.killpg(process.pid, signal.SIGINT)
        code = process.wait(STOP_S)
        self._running.remove(one)
        assert code in {0, 2, 130, -signal.SIGINT}, f"{command} ended with {code}:\n{self._said()}"
        assert "make: ***" not in self._said(), f"{command} calls being stopped an error"

    def _here(self, command: str) -> str:
        """With the ports of this run."""
        for documented, here in self._ports.items():
            command = re.sub(rf"\b{documented}\b", str(here), command)
        return command

    def _said(self) -> str:
        return self._output.read_text(errors="replace")[-4000:]


def clone_of_this(directory: Path) -> Path:
    """What a clone of this working tree would hold, with changes that are not committed yet."""
    git = shutil.which("git")
    assert git is not None
    listed = subprocess.run(
        [git, "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    clone = directory / "rtcdp"
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, clone / name)
    for arguments in (["init", "-q"], ["add", "-A"]):
        subprocess.run([git, *arguments], cwd=clone, check=True)
    return clone


def not_ignored(clone: Path) -> str:
    """What git finds in the clone that was not there at first."""
    git = shutil.which("git")
    assert git is not None
    return subprocess.run(
        [git, "ls-files", "--others", "--exclude-standard"],
        cwd=clone,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def _port_of(command: str) -> int | None:
    """The documented port that a command listens on; None when on none."""
    if command.startswith(("make up", "rtcdp up", "rtcdp serve", "rtcdp collect")):
        named = re.search(r"--port[ =](\d+)", command)
        return int(named[1]) if named else 8081
    named = re.search(r"deploy\.servers .*--port[ =](\d+)", command)
    return int(named[1]) if named else None


def _says_something(answer: bytes) -> bool:
    try:
        return bool(json.loads(answer))
    except ValueError:
        return bool(answer.strip())


def _bare_environment() -> dict[str, str]:
    """Without this environment and its settings; `python3` is what it was made with."""
    ours = re.compile(r"RTCDP_(?!TEST_)|PYTHON|PYSPARK|SPARK_|VIRTUAL_ENV|CI$|MAKE|MFLAGS|PYTEST")
    kept = {name: value for name, value in os.environ.items() if not ours.match(name)}
    binaries = str(Path(sys.prefix) / "bin")
    others = [part for part in os.environ["PATH"].split(os.pathsep) if part != binaries]
    python = str(Path(sys.base_prefix) / "bin")
    return {**kept, "PATH": os.pathsep.join([python, *others])}
