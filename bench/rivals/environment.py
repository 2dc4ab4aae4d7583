"""What contestants run in: a Python environment and Java classes of their own, made once.

They lie beside the servers' jars (`deploy.servers.jars`), in folders named after what they hold.
"""

import hashlib
import shutil
import subprocess
from pathlib import Path

from deploy.servers.jars import cache_folder, fetched_jars, needed_program
from deploy.tools import pinned_environment

HERE = Path(__file__).parent
_REQUIREMENTS = HERE / "requirements.txt"
JAVA, FLINK = HERE / "java", HERE / "flink"
"""Folders of Java sources with the `pom.xml` of what they need; Flink brings a Kafka of its own."""


def rivals_python() -> Path:
    """The interpreter that has the packages of `requirements.txt`. Installs them if it must, from
    the registry that pip is set up for. Raises `ToolFailed`."""
    return pinned_environment(cache_folder() / "rivals", _REQUIREMENTS) / "python"


def java_classpath(folder: Path = JAVA) -> str:
    """Where Java finds the contestants of a folder and what they need. Compiles them if it must.
    Raises `PartMissing` without a JDK or Maven, and `CalledProcessError`."""
    jars = fetched_jars(folder / "pom.xml")
    sources = sorted(folder.glob("*.java"))
    classes = cache_folder() / f"rivals-classes-{_hash_of(*sources)}"
    if not classes.is_dir():
        javac = needed_program("javac", "openjdk-17-jdk-headless")
        unfinished = classes.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        subprocess.run((javac, "-cp", f"{jars}/*", "-d", unfinished, *sources), check=True)
        unfinished.rename(classes)
    return f"{jars}/*:{classes}"


def _hash_of(*files: Path) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]
