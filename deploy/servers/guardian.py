"""Runs one server as its child, and lets nothing of it outlive the process that asked for it.

    python guardian.py [--user NAME] COMMAND...

It writes the server's process id on its output, and ends with the server's exit code. Its input is
a pipe whose other end only the starter holds: when that closes, or the starter is gone, the server
is killed. Whatever the server leaves behind is killed too. Should the guardian itself be killed,
the kernel kills the server.

It runs as a script of its own, so it imports the standard library only.
"""

import ctypes
import os
import pwd
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

PROC = Path("/proc")

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LOOK_EVERY_S = 0.5


def main(arguments: list[str]) -> int:
    """Run the server until it ends; its exit code, or 128 + the signal that ended it."""
    user = None
    if arguments[0] == "--user":
        user, arguments = arguments[1], arguments[2:]
    starter = os.getppid()
    _process_control(_PR_SET_CHILD_SUBREAPER, 1)
    # Its log takes what it says: our own output is for the process id.
    server = subprocess.Popen(
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        user=user,
        group=None if user is None else pwd.getpwnam(user).pw_gid,
        extra_groups=None if user is None else [],
        preexec_fn=_die_with_parent,  # noqa: PLW1509 - no thread is running yet
    )
    threading.Thread(target=_kill_when_alone, args=(server, starter), daemon=True).start()
    sys.stdout.write(f"{server.pid}\n")
    sys.stdout.flush()
    code = server.wait()
    _kill_what_is_left()
    return code if code >= 0 else 128 - code


def children_of(parent: int) -> list[int]:
    """The process ids of a process's children; none where there is no /proc."""
    found = []
    for stat in PROC.glob("[0-9]*/stat"):
        try:
            after_name = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
        if int(after_name[1]) == parent:
            found.append(int(stat.parent.name))
    return found


def _die_with_parent() -> None:
    _process_control(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _process_control(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _kill_when_alone(server: "subprocess.Popen[bytes]", starter: int) -> None:
    # The parent's id is looked at as well: a fork of the starter may hold the pipe open.
    while os.getppid() == starter:
        readable, _, _ = select.select([sys.stdin], [], [], _LOOK_EVERY_S)
        if readable and not os.read(sys.stdin.fileno(), 1):
            break
    server.kill()


def _kill_what_is_left() -> None:
    """Kill the server's orphans, which the kernel makes ours, and theirs in turn."""
    while True:
        for child in children_of(os.getpid()):
            os.kill(child, signal.SIGKILL)
        try:
            os.wait()
        except ChildProcessError:
            return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
