import subprocess
import sys
from pathlib import Path

import pytest

from deploy.servers import jars
from rtcdp.errors import PartMissing

FETCHES = """#!/bin/sh
echo fetched >> "$0.calls"
while [ -e "$0.wait" ]; do sleep 0.05; done
for each in "$@"; do case "$each" in
    -DoutputDirectory=*) folder="${each#*=}";;
esac; done
mkdir "$folder"
for name in b-2.jar spark-sql-kafka-1.jar a-1.jar kafka-clients-1.jar; do : > "$folder/$name"; done
"""
FAILS = """#!/bin/sh
echo 'Unknown host'
exit 1
"""
SHOWS = """
from deploy.servers.jars import kafka_jars
print("begins", flush=True)
print(kafka_jars())
"""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("RTCDP_SERVER_CACHE", str(folder))
    return folder


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Puts programs on the PATH, on which there is nothing else of Java's."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/bin")
    monkeypatch.setattr(jars.shutil, "which", lambda name: which(folder / name))

    def install(name: str, script: str = "#!/bin/sh\n") -> Path:
        program = folder / name
        program.write_text(script)
        program.chmod(0o755)
        return program

    return install


def which(program: Path) -> str | None:
    return str(program) if program.exists() else None


def test_what_is_fetched_once_is_there_the_next_time(cache, programs):
    programs("java")
    maven = programs("mvn", FETCHES)
    folder = jars.kafka_jars()
    assert jars.kafka_jars() == folder
    assert folder.parent == cache
    assert Path(f"{maven}.calls").read_text().split() == ["fetched"]
    assert len(list(folder.iterdir())) == 4


def test_the_connector_is_what_spark_does_not_bring_along(programs):
    programs("java")
    programs("mvn", FETCHES)
    names = [path.name for path in jars.spark_kafka_jars()]
    assert names == ["kafka-clients-1.jar", "spark-sql-kafka-1.jar"]


def test_another_pom_is_another_folder(programs, tmp_path, monkeypatch):
    programs("java")
    programs("mvn", FETCHES)
    monkeypatch.setattr(jars, "_POMS", tmp_path)
    found = set()
    for version in ("1", "2"):
        (tmp_path / "kafka.xml").write_text(version)
        found.add(jars.kafka_jars())
    assert len(found) == 2


def test_two_processes_at_once_fetch_once(tmp_path, monkeypatch):
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, script in (("mvn", FETCHES), ("java", "#!/bin/sh\n")):
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    root = Path(__file__).parents[4]
    command = [sys.executable, "-c", SHOWS]
    (folder / "mvn.wait").touch()
    both = [subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE) for _ in range(2)]
    assert [process.stdout.readline() for process in both] == [b"begins\n"] * 2
    (folder / "mvn.wait").unlink()
    shown = [process.communicate(timeout=60)[0] for process in both]
    assert shown[0] == shown[1] != b""
    assert (folder / "mvn.calls").read_text().split() == ["fetched"]


def test_a_fetch_that_fails_leaves_nothing_behind(cache, programs):
    programs("java")
    programs("mvn", FAILS)
    with pytest.raises(PartMissing, match=r"what kafka.xml names:\n  Unknown host") as failure:
        jars.kafka_jars()
    assert "registry" in failure.value.hint
    assert [path.name for path in cache.iterdir()] == ["lock"]


@pytest.mark.parametrize(
    ("there", "absent", "package"), [((), "java", "jdk"), (("java",), "mvn", "maven")]
)
def test_a_program_that_is_absent_is_named_with_its_package(programs, there, absent, package):
    for name in there:
        programs(name)
    with pytest.raises(PartMissing, match=f"{absent} is needed and is not there") as failure:
        jars.kafka_jars()
    assert package in failure.value.hint


def test_a_python_package_that_is_absent_is_named():
    assert jars.needed_module("json").__name__ == "json"
    with pytest.raises(PartMissing, match="no_such_package") as failure:
        jars.needed_module("no_such_package")
    assert failure.value.hint == "run: make full"
