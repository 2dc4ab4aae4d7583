"""What an image is judged by, and which of pip's settings a build gets."""

import json
import re
from pathlib import Path

from deploy.containers.images import (
    DEBIAN,
    SIZE_MAX,
    STAND_INS,
    USER,
    Facts,
    facts_of,
    faults,
    pip_settings,
    stand_ins,
)
from deploy.containers.profiles import compose_file, images_of

DOCKERFILE = (Path(__file__).parents[4] / "deploy" / "Dockerfile").read_text()
STAND_INS_IN_ORDER = stand_ins(images_of(compose_file()))
RIGHT = Facts(size=SIZE_MAX, user=USER, has_health_check=True, volumes=("/data",))


def test_an_image_is_small_without_rights_and_can_be_asked():
    assert faults(RIGHT, size_max=SIZE_MAX) == []
    assert faults(RIGHT, size_max=SIZE_MAX - 1) == ["it has 400 MB, more than 400 MB"]
    assert faults(Facts(9**10, "", False, ()), size_max=None) == [
        f"it runs as root, and not as {USER}",
        "it has no health check",
        "its volumes are (), and not /data alone",
    ]
    assert f"\nUSER {USER}\n" in DOCKERFILE


def test_facts_are_read_from_what_podman_says_of_an_image():
    config = {"User": USER, "Volumes": {"/data": {}}, "Healthcheck": {"Test": ["CMD", "python"]}}
    assert facts_of(json.dumps([{"Size": SIZE_MAX, "Config": config}])) == RIGHT
    config |= {"Healthcheck": {"Test": ["NONE"]}}
    assert not facts_of(json.dumps([{"Size": 1, "Config": config}])).has_health_check


def test_a_build_reaches_the_registry_as_this_machine_does():
    said = [
        ":env:.index-url='https://of.environment/simple'",
        ":env:.disable-pip-version-check='1'",
        "global.index-url='https://of.file/simple'",
        "global.cert='/certificates.pem'",
        "install.find-links='/wheels'",
    ]
    assert pip_settings(said) == {
        "cert": "/certificates.pem",
        "index-url": "https://of.environment/simple",
    }


def test_a_stand_in_is_made_of_what_is_made_before():
    folders = [each.folder for each in STAND_INS_IN_ORDER]
    made = {DEBIAN, "localhost/rtcdp"}
    assert {*folders, "otel"} == {path.name for path in STAND_INS.iterdir()}
    for path in (STAND_INS / name / "Containerfile" for name in [*folders, "otel"]):
        grounds = re.findall(r"^FROM (\S+)", path.read_text(), re.MULTILINE)
        assert {*grounds} <= made, path
        made |= {each.image for each in STAND_INS_IN_ORDER if each.folder == path.parent.name}
        for copied in re.findall(r"^COPY (?!--from)(.*) \S+$", path.read_text(), re.MULTILINE):
            assert all((path.parent / name).exists() for name in copied.split())
