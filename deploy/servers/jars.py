"""Jars from the Maven registry, fetched once and kept outside of the repository.

They lie in the folder that `RTCDP_SERVER_CACHE` names, by default `~/.cache/rtcdp/servers`. What
is fetched is written down in the pom files next to this module; a changed pom is another folder.
"""

import fcntl
import hashlib
import importlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from rtcdp.errors import PartMissing

_CONNECTOR = ("commons-pool2", "kafka-clients", "spark-sql-kafka", "spark-token-provider-kafka")
_POMS = Path(__file__).parent / "poms"


def kafka_jars() -> Path:
    """The folder of the jars that Apache Kafka's broker and its storage tool run from."""
    return fetched_jars(_POMS / "kafka.xml")


def mongo_jars() -> Path:
    """The folder of the jars that the MongoDB wire server runs from."""
    return fetched_jars(_POMS / "mongo.xml")


def schema_registry_archive() -> Path:
    """The archive that the schema registry is unpacked from."""
    (archive,) = fetched_jars(_POMS / "schema-registry.xml").iterdir()
    return archive


def spark_kafka_jars() -> tuple[Path, ...]:
    """What goes into `spark.jars` so that Spark can read Kafka, sorted by name. What Spark brings
    along itself is left out."""
    jars = sorted(fetched_jars(_POMS / "spark-kafka.xml").glob("*.jar"))
    return tuple(jar for jar in jars if jar.name.startswith(_CONNECTOR))


def fetched_jars(pom: Path) -> Path:
    """The folder of this pom's jars; fetches them when no process has done so before.

    Raises `PartMissing` when Maven is absent or can't reach the registry.
    """
    folder = cache_folder() / f"{pom.stem}-{hashlib.sha256(pom.read_bytes()).hexdigest()[:12]}"
    if not folder.is_dir():
        with _alone():
            if not folder.is_dir():
                _fetch(pom, folder)
    return folder


def needed_program(name: str, package: str) -> str:
    """The path of a program of this system. Raises `PartMissing`, which names its apt package."""
    found = shutil.which(name)
    if found is None:
        raise PartMissing(
            f"{name} is needed and is not there",
            f"install it (Debian, Ubuntu: apt install {package})",
        )
    return found


def needed_module(name: str) -> ModuleType:
    """A Python module of an extra. Raises `PartMissing`, which says how to get it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise PartMissing(f"the Python package {name} is not there", "run: make full") from error


def java() -> str:
    """The Java runtime. Raises `PartMissing`."""
    return needed_program("java", "openjdk-17-jdk-headless")


def cache_folder() -> Path:
    """Where what is fetched is kept; made if it is not there."""
    chosen = os.environ.get("RTCDP_SERVER_CACHE")
    cache = Path(chosen) if chosen else Path.home() / ".cache" / "rtcdp" / "servers"
    cache.mkdir(parents=True, exist_ok=True)
    return cache


@contextmanager
def _alone() -> Iterator[None]:
    """Only one process fetches at a time: Maven's own repository is not safe for two."""
    with (cache_folder() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch(pom: Path, folder: Path) -> None:
    java()
    maven = needed_program("mvn", "maven")
    with tempfile.TemporaryDirectory(dir=cache_folder()) as unfinished:
        jars = Path(unfinished) / "jars"
        done = subprocess.run(
            (
                maven,
                "--quiet",
                "--batch-mode",
                "--strict-checksums",
                f"-Dmaven.repo.local={cache_folder() / 'maven'}",
                f"--file={pom}",
                "dependency:copy-dependencies",
                f"-DoutputDirectory={jars}",
                "-DincludeScope=runtime",
            ),
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            said = "\n  ".join((done.stdout + done.stderr).splitlines()[:10])
            raise PartMissing(
                f"Maven could not fetch what {pom.name} names:\n  {said}",
                "see whether Maven reaches its registry, then try again",
            )
        jars.rename(folder)
