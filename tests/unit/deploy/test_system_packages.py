"""What tests need beyond Python's packages is installed where that can be done, or named."""

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "deploy" / "system_packages.sh"
OF_EVERY_SYSTEM = ("basename", "cat", "env", "ls", "mktemp", "rm", "sh", "tail")
WANTED = {
    "python3": "exit 0",
    "curl": "exit 0",
    "git": "exit 0",
    "strace": "exit 0",
    "chromium": "exit 0",
    "javac": "echo javac 17.0.15",
    "mvn": "exit 0",
    "initdb": "exit 0",
}
PACKAGES = {
    "python3": "python3-venv",
    "curl": "curl",
    "git": "git",
    "strace": "strace",
    "chromium": "chromium",
    "javac": "default-jdk-headless",
    "mvn": "maven",
}
"""PostgreSQL is looked for off the PATH as well, so it is not among those that can be absent."""


class Machine:
    """A system whose only programs are those in one folder."""

    def __init__(self, directory: Path) -> None:
        self._programs = directory / "bin"
        self._programs.mkdir()
        self.calls = directory / "calls"
        self.calls.touch()
        for name in OF_EVERY_SYSTEM:
            real = shutil.which(name)
            assert real is not None
            (self._programs / name).symlink_to(real)
        self.has("id", "echo 0")
        for name, does in WANTED.items():
            self.has(name, does)

    def has(self, name: str, does: str) -> None:
        """A program of that name, which notes each call."""
        program = self._programs / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >>"{self.calls}"\n{does}\n')
        program.chmod(0o755)

    def lacks(self, *names: str) -> None:
        for name in names:
            (self._programs / name).unlink()

    def bring(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(SCRIPT)],
            env={"PATH": str(self._programs)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def apt_calls(self) -> list[str]:
        return [line for line in self.calls.read_text().splitlines() if "apt-get" in line]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_where_all_is_there_nothing_is_done_and_no_rights_are_needed(machine: Machine) -> None:
    machine.has("id", "echo 1000")
    done = machine.bring()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_is_absent_and_nothing_else_is_installed(machine: Machine) -> None:
    machine.has("apt-get", "exit 0")
    machine.lacks("strace", "mvn")
    done = machine.bring()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Installing with apt: strace maven\n"
    update, install = machine.apt_calls()
    assert update.endswith(" update")
    assert install.endswith(" install --yes --no-install-recommends strace maven")


def test_without_apt_one_line_says_what_to_install(machine: Machine) -> None:
    machine.has("python3", "exit 1")
    machine.lacks(*PACKAGES.keys() - {"python3"})
    done = machine.bring()
    assert done.returncode == 3
    assert done.stderr == (
        "The tests need programs that are not here, and there is no apt; install: "
        f"{' '.join(PACKAGES.values())}\n"
    )


@pytest.mark.parametrize(
    ("sudo", "why"), [(None, "apt wants root"), ("exit 1", "sudo wants a password")]
)
def test_without_rights_one_line_says_what_to_install(
    sudo: str | None, why: str, machine: Machine
) -> None:
    machine.has("id", "echo 1000")
    machine.has("apt-get", "exit 0")
    if sudo is not None:
        machine.has("sudo", sudo)
    machine.lacks("strace")
    done = machine.bring()
    assert done.returncode == 3
    assert done.stderr.endswith(f"and {why}; install: strace\n")
    assert done.stderr.count("\n") == 1
    assert machine.apt_calls() == []


def test_with_sudo_it_is_used(machine: Machine) -> None:
    machine.has("id", "echo 1000")
    machine.has("apt-get", "exit 0")
    machine.has("sudo", '[ "$1" != -n ] || shift; "$@"')
    machine.lacks("strace")
    assert machine.bring().returncode == 0
    assert [line.split()[0] for line in machine.apt_calls()] == ["sudo", "apt-get"] * 2


def test_an_apt_that_fails_shows_its_last_words(machine: Machine) -> None:
    machine.has("apt-get", 'echo "E: no such package"; exit 100')
    machine.lacks("strace")
    done = machine.bring()
    assert done.returncode == 3
    assert done.stderr.splitlines() == [
        "E: no such package",
        "The tests need programs that are not here, and apt failed; install: strace",
    ]


@pytest.mark.parametrize(
    ("version", "is_enough"), [("11.0.2", False), ("17", True), ("21.0.7", True)]
)
def test_java_is_17_or_newer(version: str, is_enough: bool, machine: Machine) -> None:
    machine.has("javac", f"echo Picked up JAVA_TOOL_OPTIONS >&2; echo javac {version}")
    done = machine.bring()
    assert (done.returncode == 0) is is_enough
    assert ("default-jdk-headless" in done.stderr) is not is_enough
