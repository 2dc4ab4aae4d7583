"""Podman with a storage, networks and settings of its own: that of others is not touched."""

import os
import re
import resource
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.servers.jars import needed_program
from deploy.tools import ToolFailed, run
from rtcdp.errors import RtcdpError

_SHORT_S = 120
_UNNAMED = re.compile(r"[0-9a-f]{64}")
_LIMIT = 16_384


class ContainersFailed(RtcdpError):
    """Something of the containers is not as it should be; the text ends with what was told last."""


@dataclass(frozen=True)
class Podman:
    """Commands of podman, whose images, volumes and networks are below one folder."""

    folder: Path
    environment: Mapping[str, str]

    def run(self, *arguments: str, within_s: float = _SHORT_S, **variables: str) -> str:
        """Run `podman …` and return what it says on standard output.

        Raises `ToolFailed` when it fails, or takes longer.
        """
        return run(("podman", *arguments), within_s, {**self.environment, **variables})

    def succeeds(self, *arguments: str, within_s: float = _SHORT_S) -> bool:
        """Whether `podman …` ends with 0. Raises nothing for another end."""
        try:
            self.run(*arguments, within_s=within_s)
        except ToolFailed:
            return False
        return True

    def lines(self, *arguments: str) -> list[str]:
        """The lines that `podman …` says, such as ids. Raises `ToolFailed`."""
        return self.run(*arguments).split()

    def remove_all(self) -> None:
        """Remove all containers, pods, volumes and networks of this storage. Images stay."""
        self.succeeds("pod", "rm", "--all", "--force", "--time=1")
        self.succeeds("rm", "--all", "--force", "--volumes", "--time=1")
        self.succeeds("volume", "prune", "--force")
        self.succeeds("network", "prune", "--force")

    def remove_unnamed_volumes(self) -> None:
        """Remove volumes that an image asks for and nobody has named: podman-compose leaves them,
        where Docker takes them down with their container."""
        for name in self.lines("volume", "ls", "--quiet"):
            if _UNNAMED.fullmatch(name):
                self.succeeds("volume", "rm", name)

    def left(self) -> dict[str, list[str]]:
        """What runs, or rests, beside images: nothing, when all was taken down."""
        networks = self.lines("network", "ls", "--format={{.Name}}")
        found = {
            "containers": self.lines("ps", "--all", "--quiet"),
            "pods": self.lines("pod", "ps", "--quiet"),
            "volumes": self.lines("volume", "ls", "--quiet"),
            "networks": [name for name in networks if name != "podman"],
        }
        return {what: names for what, names in found.items() if names}


def podman_in(folder: Path) -> Podman:
    """Podman with everything below `folder`, which is made.

    Raises `PartMissing` without podman, `ContainersFailed` when the user is not root: networks with
    names and published ports need it.
    """
    needed_program("podman", "podman")
    if os.geteuid() != 0:
        raise ContainersFailed("containers with networks of their own need root", "run it as root")
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    written = {
        "CONTAINERS_CONF": ("containers.conf", _containers(folder)),
        "CONTAINERS_STORAGE_CONF": ("storage.conf", _storage(folder)),
        "CONTAINERS_REGISTRIES_CONF": (
            "registries.conf",
            'unqualified-search-registries = ["docker.io"]\nshort-name-mode = "disabled"\n',
        ),
    }
    for name, text in written.values():
        (folder / name).write_text(text)
    return Podman(
        folder,
        {
            **os.environ,
            **{variable: str(folder / name) for variable, (name, _) in written.items()},
            "BUILDAH_ISOLATION": "chroot",
            "BUILDAH_FORMAT": "docker",
        },
    )


def _containers(folder: Path) -> str:
    """Limits below those of this machine, which it may not be allowed to raise."""
    limits = [
        f'"{name}={most}:{most}"'
        for name, number in (("nofile", resource.RLIMIT_NOFILE), ("nproc", resource.RLIMIT_NPROC))
        for _, hard in [resource.getrlimit(number)]
        for most in [_LIMIT if hard < 0 else min(hard, _LIMIT)]
    ]
    # crun does not know every arrangement of control groups; where runc is there, it is asked.
    runtime = 'runtime = "runc"\n' if shutil.which("runc") else ""
    return (
        f'[engine]\n{runtime}cgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
        f"[containers]\ndefault_ulimits = [{', '.join(limits)}]\n"
        f'[network]\nnetwork_config_dir = "{folder / "networks"}"\n'
    )


def _storage(folder: Path) -> str:
    return (
        f'[storage]\ndriver = "overlay"\ngraphroot = "{folder / "storage"}"\n'
        f'runroot = "{folder / "run"}"\n'
    )
