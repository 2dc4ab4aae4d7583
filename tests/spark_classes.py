"""Spark's classes, read and checked once for all the JVMs that tests start.

Half of what the start of a Spark and its first batch take goes into loading the same ten thousand
classes. Java can keep them in an archive, which other JVMs map (application class data sharing).

    python -m tests.spark_classes

makes it, from what a small stream of the engine's kind loads. Without it, tests take longer. A JVM
that has other classes passes it over.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pyspark

from deploy.servers.jars import cache_folder

_OF_A_START = ("SPARK_SUBMIT_OPTS", "SPARK_DAEMON_JAVA_OPTS")


def use_archive() -> None:
    """Let every Spark that is started from here on map the archive, if there is one."""
    archive = _archive()
    if archive is not None and archive.exists():
        quietly = "-Xshare:auto -Xlog:cds=off -Xlog:cds+dynamic=off"
        for variable in _OF_A_START:
            os.environ.setdefault(variable, f"-XX:SharedArchiveFile={archive} {quietly}")


def make_archive() -> None:
    """Make the archive, unless it is there or there is no Java."""
    archive = _archive()
    if archive is None or archive.exists():
        return
    with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        made = Path(folder) / archive.name
        options = f"-XX:TieredStopAtLevel=1 -XX:ArchiveClassesAtExit={made} -Xlog:disable"
        subprocess.run(
            (sys.executable, "-m", "tests.spark_training", folder),
            check=True,
            capture_output=True,
            env={**os.environ, "SPARK_SUBMIT_OPTS": options},
        )
        made.rename(archive)


def _archive() -> Path | None:
    """Where that of this Java and this Spark is kept; None where there is no Java."""
    program = shutil.which("java")
    if program is None:
        return None
    java = Path(program).resolve()
    made_of = f"{java} {java.stat().st_mtime_ns} {pyspark.__version__} {pyspark.__file__}"
    return cache_folder() / f"spark-{hashlib.sha256(made_of.encode()).hexdigest()[:12]}.jsa"


if __name__ == "__main__":
    make_archive()
