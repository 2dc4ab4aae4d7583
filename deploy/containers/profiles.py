"""The compose file's profiles: brought up in the order of what waits for what, and taken down."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import yaml

from deploy.containers.podman import ContainersFailed, Podman
from deploy.tools import ROOT, ToolFailed, run

COMPOSE = ROOT / "deploy" / "compose.yaml"
PROJECT = "rtcdp-check"
LEFT_OUT = frozenset({"grafana"})
"""Services whose image can't be made from packages of Debian's or of Maven's."""

_UP_WITHIN_S = 300
_HEALTHY_WITHIN_S = 420
_POLL_EVERY_S = 1.0
_LAST_LINES = 25


def services_of(compose: dict[str, Any], profile: str) -> list[str]:
    """The services of a profile but those left out: what others wait for comes first."""
    services = {
        name: service
        for name, service in compose["services"].items()
        if profile in service["profiles"] and name not in LEFT_OUT
    }
    waits = {name: set(service.get("depends_on", {})) for name, service in services.items()}
    return list(TopologicalSorter(waits).static_order())


def images_of(compose: dict[str, Any]) -> dict[str, str]:
    """What the file calls the image of each service, with the registry that it means."""
    return {name: full_name(each["image"]) for name, each in compose["services"].items()}


def full_name(image: str) -> str:
    """`prom/prometheus:v3` is `docker.io/prom/prometheus:v3`, and `postgres:17` one of its library.

    >>> full_name("postgres:17")
    'docker.io/library/postgres:17'
    """
    first, *rest = image.split("/")
    if rest and ("." in first or first == "localhost"):
        return image
    return f"docker.io/{image}" if rest else f"docker.io/library/{image}"


def compose_file() -> dict[str, Any]:
    """The compose file as it is written, variables and all."""
    read: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return read


@dataclass(frozen=True)
class Profile:
    """A profile that runs in containers of `podman`."""

    name: str
    podman: Podman
    tool: Path

    @contextmanager
    def up(self, services: list[str]) -> Iterator[None]:
        """Bring services up one after another, each when those before are healthy; take all down at
        the end. Raises `ContainersFailed`."""
        checks = compose_file()["services"]
        try:
            for service in services:
                self._compose("up", "--detach", "--no-build", "--no-deps", service)
                has_none = checks[service].get("healthcheck") == {"disable": True}
                self.wait_healthy(service, is_checked=not has_none)
            yield
        except (ContainersFailed, ToolFailed) as error:
            raise ContainersFailed(f"{error}\n{self._last_words()}", error.hint) from error
        finally:
            # What is left then is found by whoever asks `Podman.left`.
            with suppress(ToolFailed):
                self._compose("down", "--volumes", "--timeout", "20")
            self.podman.remove_unnamed_volumes()

    def container(self, service: str) -> str:
        """The id of the service's container. Raises `ContainersFailed` when it has none."""
        found = self.podman.lines(
            *("ps", "--all", "--quiet", f"--filter=label=com.docker.compose.service={service}")
        )
        if not found:
            raise ContainersFailed(f"{service} has no container", "see what podman-compose says")
        return found[0]

    def wait_healthy(self, service: str, *, is_checked: bool = True) -> None:
        """Return when the health check of a service succeeds; without one, when it runs.

        The check is asked for here: podman leaves that to systemd, which may not be there.
        """
        container = self.container(service)
        deadline = time.monotonic() + _HEALTHY_WITHIN_S
        while True:
            state = self.podman.run("inspect", "--format={{.State.Status}}", container).strip()
            if state == "running" and (
                not is_checked or self.podman.succeeds("healthcheck", "run", container)
            ):
                return
            if state == "exited" or time.monotonic() > deadline:
                raise ContainersFailed(f"{service} is {state}, and not healthy", "read its words")
            time.sleep(_POLL_EVERY_S)

    def kill(self, service: str) -> None:
        """Kill all processes of a service at once, and start it again."""
        container = self.container(service)
        self.podman.run("kill", "--signal=KILL", container)
        self.podman.run("wait", container)
        self.podman.run("start", container)

    def _compose(self, *arguments: str) -> None:
        run(
            (
                *(str(self.tool), f"--project-name={PROJECT}"),
                *(f"--file={COMPOSE}", f"--profile={self.name}", *arguments),
            ),
            _UP_WITHIN_S,
            self.podman.environment,
        )

    def _last_words(self) -> str:
        said = []
        for container in self.podman.lines("ps", "--all", "--format={{.Names}}"):
            logs = ("podman", "logs", f"--tail={_LAST_LINES}", container)
            said.append(f"--- {container}\n{run(logs, 60, self.podman.environment, merged=True)}")
        return "\n".join(said)
