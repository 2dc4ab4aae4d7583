"""Images: those that others publish, made here under their names, and those of rtcdp."""

import ast
import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.containers.podman import ContainersFailed, Podman
from deploy.servers.jars import kafka_jars, mongo_jars, needed_program
from deploy.tools import ROOT, run

STAND_INS = Path(__file__).parent / "stand_ins"
DEBIAN = "docker.io/library/debian:bookworm-slim"
SIZE_MAX = 400_000_000
"""Bytes that the image without Spark may have, unpacked."""
USER = "10001:10001"

_BUILD_WITHIN_S = 1800
_PIP = ("cert", "extra-index-url", "index-url", "proxy", "trusted-host")
_CERTIFICATES = "/run/certificates.crt"
_JAVA_TRUST = Path("/etc/ssl/certs/java/cacerts")


@dataclass(frozen=True)
class StandIn:
    """What is built in `stand_ins/<folder>`, and the image that it stands for, as files name it.

    `contexts` are folders beside its own that the Containerfile copies from.
    """

    folder: str
    image: str
    contexts: tuple[tuple[str, Path], ...] = ()


@dataclass(frozen=True)
class Facts:
    """What an image of ours is: its size in bytes, user, and whether it has a health check."""

    size: int
    user: str
    has_health_check: bool
    volumes: tuple[str, ...]


def stand_ins(image_of: dict[str, str]) -> tuple[StandIn, ...]:
    """All stand-ins in the order of building. `image_of` is what the compose file calls the image
    of each service. Fetches jars; raises `PartMissing`."""
    servers = ROOT / "deploy" / "servers"
    return (
        StandIn("java", "localhost/java"),
        StandIn("maven", "docker.io/library/maven:3-eclipse-temurin-17"),
        StandIn("kafka", image_of["kafka"], (("jars", kafka_jars()),)),
        StandIn("mongo", image_of["mongodb"], (("jars", mongo_jars()), ("servers", servers))),
        StandIn("postgres", image_of["postgresql"]),
        StandIn("prometheus", image_of["prometheus"]),
    )


def make_debian(podman: Podman) -> None:
    """Make Debian's smallest system from its packages, under the name of the published image.

    Raises `PartMissing` without mmdebstrap, and `ContainersFailed`.
    """
    if podman.succeeds("image", "exists", DEBIAN):
        return
    mmdebstrap = needed_program("mmdebstrap", "mmdebstrap")
    archive = podman.folder / "debian.tar"
    left_out = [
        f"--dpkgopt=path-exclude=/usr/share/{what}/*" for what in ("doc", "info", "locale", "man")
    ]
    command = (mmdebstrap, "--quiet", "--variant=minbase", *left_out, "bookworm", str(archive))
    run(command, _BUILD_WITHIN_S)
    podman.run("import", "--quiet", str(archive), DEBIAN)
    archive.unlink()


def make_stand_in(podman: Podman, stand_in: StandIn) -> None:
    """Build one from Debian's packages and jars. Raises `ContainersFailed`."""
    contexts = [f"--build-context={name}={folder}" for name, folder in stand_in.contexts]
    podman.run(
        *("build", "--quiet", "--network=host", f"--tag={stand_in.image}"),
        *contexts,
        str(STAND_INS / stand_in.folder),
        within_s=_BUILD_WITHIN_S,
    )


def build(podman: Podman, target: str, name: str) -> Facts:
    """Build a stage of the Dockerfile, and return what came out. Raises `ContainersFailed`."""
    mounts = [f"--volume={source}:{place}:ro" for source, place in _network_files(podman.folder)]
    if target == "jars" and _JAVA_TRUST.exists():
        mounts.append(f"--volume={_JAVA_TRUST}:{_JAVA_TRUST}:ro")
    podman.run(
        *("build", "--quiet", "--network=host", f"--target={target}", f"--tag={name}"),
        *mounts,
        *(f"--file={ROOT / 'deploy' / 'Dockerfile'}", str(ROOT)),
        within_s=_BUILD_WITHIN_S,
    )
    return facts_of(podman.run("image", "inspect", name))


def facts_of(inspected: str) -> Facts:
    """The facts in what `podman image inspect` says of one image."""
    (image,) = json.loads(inspected)
    config = image["Config"]
    check = image.get("HealthCheck") or image.get("Healthcheck") or config.get("Healthcheck")
    return Facts(
        size=image["Size"],
        user=config.get("User", ""),
        has_health_check=bool(check) and check.get("Test") != ["NONE"],
        volumes=tuple(config.get("Volumes") or ()),
    )


def faults(facts: Facts, *, size_max: int | None) -> list[str]:
    """What an image of ours has that it should not have, in words."""
    found = []
    if size_max is not None and facts.size > size_max:
        found.append(f"it has {facts.size / 1e6:.0f} MB, more than {size_max / 1e6:.0f} MB")
    if facts.user != USER:
        found.append(f"it runs as {facts.user or 'root'}, and not as {USER}")
    if not facts.has_health_check:
        found.append("it has no health check")
    if facts.volumes != ("/data",):
        found.append(f"its volumes are {facts.volumes}, and not /data alone")
    return found


def check_image(podman: Podman, name: str, facts: Facts, *, size_max: int | None) -> None:
    """Raises `ContainersFailed` when it has faults, or does not start on a read-only root."""
    if found := faults(facts, size_max=size_max):
        raise ContainersFailed(f"the image {name} is not right: {'; '.join(found)}", "mend it")
    podman.run("run", "--rm", "--read-only", "--network=none", "--cap-drop=ALL", name, "--version")


def _network_files(folder: Path) -> Iterator[tuple[Path, str]]:
    """What this machine needs to reach package registries, for the time of a build alone: settings
    of pip and Maven, and the certificates that they trust."""
    settings = _settings_of_pip()
    certificates = settings.get("cert") or os.environ.get("SSL_CERT_FILE")
    if certificates and Path(certificates).is_file():
        yield Path(certificates), _CERTIFICATES
        settings["cert"] = _CERTIFICATES
    if settings:
        written = folder / "pip.conf"
        lines = [f"{name} = {value}" for name, value in settings.items()]
        written.write_text("\n".join(["[global]", *lines, ""]))
        yield written, "/etc/pip.conf"
    maven = Path.home() / ".m2" / "settings.xml"
    if maven.is_file():
        yield maven, "/usr/share/maven/conf/settings.xml"


def _settings_of_pip() -> dict[str, str]:
    command = (sys.executable, "-m", "pip", "config", "list")
    return pip_settings(run(command, 60).splitlines())


def pip_settings(lines: Sequence[str]) -> dict[str, str]:
    """Those of pip's settings that say how a registry is reached, from `pip config list`: its
    lines are like `global.cert='/some/file'`; what the environment says comes first."""
    found: dict[str, str] = {}
    for line in sorted(lines, key=lambda line: line.startswith(":env:")):
        name, _, value = line.partition("=")
        key = name.rpartition(".")[2]
        if key in _PIP:
            found[key] = str(ast.literal_eval(value)).replace("\n", " ")
    return found


def remove_storage(folder: Path) -> None:
    """Remove all images, and whatever podman kept below the folder."""
    shutil.rmtree(folder, ignore_errors=True)
