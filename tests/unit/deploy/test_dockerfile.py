"""The Dockerfile copies what is there, installs what is pinned, and runs as nobody special."""

import re
import shutil
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from xml.etree import ElementTree

import pytest

from rtcdp.runtime.settings import PREFIX, all_settings

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "deploy" / "Dockerfile").read_text()
LINES = [
    line.split(maxsplit=1)
    for line in re.sub(r"\\\n\s*", "", TEXT).splitlines()
    if line and not line.startswith("#")
]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINNED = ROOT / "requirements" / "full.txt"
WITH_SPARK_ONLY = {
    *("attrs", "authlib", "cachetools", "fastavro", "grpcio", "grpcio-tools", "httpcore2"),
    *("httpx2", "httpx2-jsfetch", "joserfc", "truststore"),
    *("faker", "narwhals", "pandas", "polyfactory", "py4j", "pyarrow", "pyspark"),
    *("python-dateutil", "pytz", "river", "scipy"),
}
"""Spark, river, schemas, what those alone need, and what litestar asks for to make up examples."""


def stages() -> dict[str, list[tuple[str, str]]]:
    """The instructions of each stage by name, after those of the stage it builds on."""
    found: dict[str, list[tuple[str, str]]] = {}
    for word, rest in LINES:
        if word == "FROM":
            ground, _, name = rest.partition(" AS ")
            found[name] = [*found.get(ground, [])]
        else:
            found[name].append((word, rest))
    return found


def variables(stage: str) -> dict[str, str]:
    return {
        name: value
        for word, rest in stages()[stage]
        if word == "ENV"
        for name, value in (pair.split("=", 1) for pair in rest.split())
    }


def names(requirements: str) -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+)==", requirements, re.MULTILINE))


def wanted(*extras: str) -> set[str]:
    """The names of what rtcdp asks for, with those extras."""
    asked = [*PROJECT["dependencies"]]
    for extra in extras:
        asked += PROJECT["optional-dependencies"][extra]
    return {re.split(r"[\[<>=;]", each)[0] for each in asked}


@pytest.fixture(scope="module")
def slim() -> str:
    """The pins that are left for the image without Spark, by the Dockerfile's own command."""
    command = re.search(r"awk '([^']*)' full.txt", TEXT)
    assert command is not None
    awk = shutil.which("awk")
    assert awk is not None
    done = subprocess.run(
        [awk, command.group(1), str(PINNED)], check=True, capture_output=True, text=True
    )
    return done.stdout


def test_the_image_without_spark_has_all_that_the_rest_needs(slim):
    assert names(PINNED.read_text()) - names(slim) == WITH_SPARK_ONLY
    assert wanted("kafka", "postgres", "mongo") <= names(slim)
    assert wanted("kafka", "postgres", "mongo", "spark") <= names(PINNED.read_text())


def test_what_is_left_has_its_hashes(slim):
    blocks = re.split(r"^(?=[a-z])", slim, flags=re.MULTILINE)
    assert all("--hash=sha256:" in block for block in blocks if block.strip())


def test_everything_that_pip_fetches_is_held_to_its_hash():
    steps = [rest for word, rest in LINES if word == "RUN"]
    installs = [each for step in steps for each in re.findall(r"pip install ([^&]*)", step)]
    assert len(installs) == 5
    assert all("--require-hashes" in each or "--no-deps" in each for each in installs)
    assert all("--no-cache-dir" in each for each in installs)


@pytest.mark.parametrize("target", ["rtcdp", "spark"])
def test_an_image_runs_as_a_user_without_rights_and_keeps_its_data(target):
    instructions = stages()[target]
    assert [rest for word, rest in instructions if word == "USER"] == ["10001:10001"]
    (user,) = (i for i, (word, _) in enumerate(instructions) if word == "USER")
    (volume,) = (i for i, (word, _) in enumerate(instructions) if word == "VOLUME")
    # What is done to a volume after it was declared is lost.
    assert all(word not in ("RUN", "COPY") for word, _ in instructions[min(user, volume) :])
    assert instructions[volume] == ("VOLUME", variables(target)["RTCDP_DATA_DIR"])
    assert variables(target)["HOME"] == variables(target)["RTCDP_DATA_DIR"], "all else is read-only"
    assert ("ENTRYPOINT", '["rtcdp"]') in instructions
    assert any(word == "HEALTHCHECK" for word, _ in instructions)


def test_only_the_image_for_spark_has_java():
    with_java = [name for name, each in stages().items() if any("jre" in rest for _, rest in each)]
    assert with_java == ["spark-system"]
    assert ("COPY", "--from=spark-system / /") in stages()["spark"]
    assert LINES[-1][0] == "USER"
    assert list(stages())[-1] == "rtcdp", "the last stage is the default"


@pytest.mark.parametrize("target", ["rtcdp", "spark"])
def test_a_variable_of_rtcdps_is_a_setting(target):
    ours = {name for name in variables(target) if name.startswith(PREFIX)}
    assert {"RTCDP_DATA_DIR", "RTCDP_HOST"} <= ours
    assert ours <= {setting.variable for setting in all_settings()}


def test_what_is_copied_is_there_and_is_sent_to_the_builder():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    sent = [line[1:] for line in ignored if line.startswith("!")]
    for word, rest in LINES:
        if word == "COPY" and "--from" not in rest:
            source = rest.split()[0]
            assert (ROOT / source).exists()
            assert any(
                fnmatch(source, each)
                or source.startswith(f"{each}/")
                or each.startswith(f"{source}/")
                for each in sent
            ), source
    assert all((ROOT / each).exists() for each in sent)


def test_stages_are_copied_from_stages():
    named = re.findall(r"--from=(\S+)", TEXT)
    assert set(named) <= set(stages())


def test_spark_finds_itself_its_python_and_its_connector():
    spark = variables("spark")
    version = re.search(r"libpython(\d+\.\d+)-stdlib", TEXT).group(1)
    assert spark["SPARK_HOME"] == f"/opt/rtcdp/lib/python{version}/site-packages/pyspark"
    assert spark["SPARK_LOCAL_DIRS"].startswith(spark["RTCDP_DATA_DIR"])
    assert len(set(re.findall(r"^FROM (debian:\S+)", TEXT, re.MULTILINE))) == 1
    fetched = re.search(r"-DincludeArtifactIds=(\S+)", TEXT).group(1).split(",")
    assert spark["RTCDP_SPARK_JARS"].split(",") == [f"/opt/spark-jars/{n}.jar" for n in fetched]


def test_the_connector_is_that_of_the_pinned_spark(spark_jars):
    fetched = re.search(r"-DincludeArtifactIds=(\S+)", TEXT).group(1).split(",")
    assert [re.sub(r"-[0-9.]+\.jar$", "", jar.name) for jar in spark_jars] == fetched
    pom = ElementTree.parse(ROOT / "deploy" / "servers" / "poms" / "spark-kafka.xml")  # noqa: S314
    space = {"m": "http://maven.apache.org/POM/4.0.0"}
    version = pom.findtext(".//m:dependency/m:version", namespaces=space)
    assert f"pyspark=={version} " in PINNED.read_text()
