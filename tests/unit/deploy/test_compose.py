"""The compose file holds together, and all it says about rtcdp is true of rtcdp."""

import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
import yaml

from rtcdp.api.health import ready
from rtcdp.cli.app import COMMANDS, command_of
from rtcdp.errors import UsageError
from rtcdp.runtime.settings import PREFIX, Settings, all_settings, load, require_loopback

DEPLOY = Path(__file__).parents[3] / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
SERVICES = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]
RTCDP = [name for name in OURS if "entrypoint" not in SERVICES[name]]
LISTENING = ("platform", "collector", "api")
"""The services that run an HTTP server of rtcdp's."""

KEYS = {
    *("image", "build", "init", "restart", "profiles", "entrypoint", "command"),
    *("environment", "ports", "volumes", "depends_on", "healthcheck"),
    *("read_only", "tmpfs", "cap_drop", "security_opt"),
}
HEALTH_KEYS = {"test", "interval", "timeout", "retries", "start_period"}
PROFILES = {"embedded", "full"}
URL = re.compile(r"[a-z]+://[^\s,'\"]+")


def expanded(value: object) -> str:
    """The text when nobody sets the variables in it."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(value))


def environment_of(name: str) -> dict[str, str]:
    """The variables of the service, after rtcdp's own of the image."""
    image = dict(re.findall(r"(RTCDP_\w+)=(\S+)", DOCKERFILE)) if name in RTCDP else {}
    own = SERVICES[name].get("environment", {})
    return {**image, **{key: expanded(value) for key, value in own.items()}}


def settings_of(name: str) -> Settings:
    """The settings as rtcdp makes them in that container."""
    return load({}, {k: v for k, v in environment_of(name).items() if k.startswith(PREFIX)})


def published(name: str) -> Iterator[tuple[str, int, int]]:
    """Address, port on this machine, port in the container."""
    for entry in SERVICES[name].get("ports", []):
        address, port, inside = entry.split(":")
        yield address, int(port), int(inside)


STANDARD_PORTS = {"postgresql": 5432, "mongodb": 27017, "prometheus": 9090, "grafana": 3000}


def listening_ports(name: str) -> set[int]:
    """The ports that a service listens on, from its own settings."""
    environment = SERVICES[name].get("environment", {})
    if name == "kafka":
        return {int(port) for port in re.findall(r":(\d+)", environment["KAFKA_LISTENERS"])}
    if name == "otel-collector":
        http = yaml.safe_load((DEPLOY / "otel" / "collector.yaml").read_text())["receivers"]["otlp"]
        return {int(http["protocols"]["http"]["endpoint"].rpartition(":")[2])}
    if name in STANDARD_PORTS:
        return {STANDARD_PORTS[name]}
    if name in LISTENING:
        return {settings_of(name).port}
    command = SERVICES[name].get("command", [])
    return {int(v) for flag, v in pairwise(command) if flag in ("--port", "--webui-port")}


def dependencies(name: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = SERVICES[name].get("depends_on", {})
    return found


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_made_of_what_compose_knows(name):
    service = SERVICES[name]
    assert set(service) <= KEYS
    assert set(service["profiles"]) <= PROFILES
    assert service["profiles"] != []
    assert service["restart"] == "unless-stopped"
    for key in ("entrypoint", "command"):
        assert all(isinstance(part, str) for part in service.get(key, []))


def test_each_profile_has_its_services():
    assert [n for n, s in SERVICES.items() if "embedded" in s["profiles"]] == [
        *("platform", "otel-collector", "prometheus", "grafana"),
    ]
    assert {n for n, s in SERVICES.items() if "full" in s["profiles"]} == {
        *("kafka", "mongodb", "postgresql", "spark-master", "spark-worker"),
        *("collector", "processor", "api", "generator"),
        *("otel-collector", "prometheus", "grafana"),
    }


def test_every_port_is_open_to_this_machine_only_and_to_one_service():
    for profile in PROFILES:
        taken = [
            port
            for name, service in SERVICES.items()
            if profile in service["profiles"]
            for _, port, _ in published(name)
        ]
        assert len(taken) == len(set(taken))
    assert {address for name in SERVICES for address, _, _ in published(name)} == {"127.0.0.1"}


@pytest.mark.parametrize("name", [name for name in SERVICES if SERVICES[name].get("ports")])
def test_a_published_port_is_one_that_is_listened_on(name):
    assert {inside for _, _, inside in published(name)} <= listening_ports(name)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_waits_for_what_is_there_and_can_be_healthy(name):
    for other, how in dependencies(name).items():
        assert set(SERVICES[name]["profiles"]) <= set(SERVICES[other]["profiles"])
        assert how == {"condition": "service_healthy"}
        # Those without a check of their own have the image's, which asks the API.
        assert "healthcheck" in SERVICES[other] or other in LISTENING
        assert SERVICES[other].get("healthcheck") != {"disable": True}
    tuple(TopologicalSorter({n: dependencies(n) for n in SERVICES}).static_order())


@pytest.mark.parametrize("name", SERVICES)
def test_a_health_check_is_complete_or_off(name):
    check = SERVICES[name].get("healthcheck")
    if check not in (None, {"disable": True}):
        assert set(check) == HEALTH_KEYS
        assert check["test"][0] == "CMD"
        assert len(check["test"]) > 1
    elif check is None:
        assert name in ("platform", "api"), "the image's check asks for the API's readiness"


def test_volumes_are_declared_and_used():
    used = {entry.split(":")[0] for s in SERVICES.values() for entry in s.get("volumes", [])}
    files = {name for name in used if name.startswith("./")}
    assert used - files == set(COMPOSE["volumes"])
    assert all((DEPLOY / name).exists() for name in files)


def test_prometheus_scrapes_whatever_tells_something():
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    scraped = {
        (name, target["port"])
        for job in config["scrape_configs"]
        for target in job["dns_sd_configs"]
        for name in target["names"]
    }
    tells = {(name, settings_of(name).port) for name in LISTENING}
    told = ("platform", "processor")
    assert scraped == tells | {(name, settings_of(name).telemetry.port) for name in told}
    mounted = [entry.split(":")[1] for entry in SERVICES["prometheus"]["volumes"]]
    assert set(config["rule_files"]) <= set(mounted)
    provider = yaml.safe_load(
        (DEPLOY / "grafana" / "provisioning" / "dashboards" / "rtcdp.yaml").read_text()
    )
    paths = {each["options"]["path"] for each in provider["providers"]}
    assert paths <= {entry.split(":")[1] for entry in SERVICES["grafana"]["volumes"]}


@pytest.mark.parametrize("name", OURS)
def test_an_image_of_ours_can_be_built(name):
    build = SERVICES[name]["build"]
    context = (DEPLOY / build["context"]).resolve()
    assert (context / build["dockerfile"]).samefile(DEPLOY / "Dockerfile")
    assert re.search(rf"^FROM \S+ AS {build['target']}$", DOCKERFILE, re.MULTILINE)
    assert {s["image"] for s in SERVICES.values() if s.get("build") == build} == {
        SERVICES[name]["image"]
    }


@pytest.mark.parametrize("name", OURS)
def test_a_service_of_ours_writes_to_its_data_alone_and_has_no_rights(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    # Java loads libraries that it has unpacked there.
    option = "exec" if service["image"] == "rtcdp-spark" else "noexec"
    assert service["tmpfs"] == [f"/tmp:{option}"]  # noqa: S108 - in its container
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", RTCDP)
def test_a_command_of_rtcdps_is_one_that_it_has(name):
    command, *arguments = SERVICES[name]["command"]
    assert command in COMMANDS
    command_of(command).make_context(command, list(arguments))


@pytest.mark.parametrize("name", SERVICES)
def test_a_variable_of_rtcdps_is_a_setting_and_takes_its_value(name):
    known = {setting.variable for setting in all_settings()}
    named = {key for key in environment_of(name) if key.startswith(PREFIX)}
    assert named <= known
    settings_of(name)


def test_a_variable_that_the_reader_may_set_is_a_setting():
    text = (DEPLOY / "compose.yaml").read_text()
    variables = set(re.findall(r"\$\{(\w+):-", text))
    assert variables == {"RTCDP_STORE", "RTCDP_ENGINE", "RTCDP_RATE"}
    assert variables <= {setting.variable for setting in all_settings()}
    assert all(re.search(rf"^# .*{variable}", text, re.MULTILINE) for variable in variables)


@pytest.mark.parametrize("name", LISTENING)
def test_a_server_starts_since_it_was_told_to_trust_its_network(name):
    require_loopback(settings_of(name))
    environment = {**environment_of(name)}
    del environment["RTCDP_TRUST_NETWORK"]
    with pytest.raises(UsageError):
        require_loopback(load({}, environment))


def test_all_parts_have_the_same_log_and_store():
    assert len({settings_of(name).log for name in ("collector", "processor", "api")}) == 1
    assert settings_of("processor").store == settings_of("api").store
    assert settings_of("api").log_kind == "kafka"
    assert settings_of("processor").engine == "spark"
    postgresql = SERVICES["postgresql"]["environment"]
    assert settings_of("api").store == (
        f"postgresql://{postgresql['POSTGRES_USER']}:{postgresql['POSTGRES_PASSWORD']}"
        f"@postgresql:5432/{postgresql['POSTGRES_DB']}"
    )


@pytest.mark.parametrize("name", SERVICES)
def test_an_address_names_a_service_and_a_port_that_it_listens_on(name):
    service = SERVICES[name]
    ours = [v for k, v in environment_of(name).items() if k.startswith(PREFIX)]
    said = [expanded(part) for part in (*ours, *service.get("command", []))]
    urls = [urlsplit(url) for text in said for url in URL.findall(text)]
    for url in urls:
        assert url.port in listening_ports(url.hostname)
        # Where traces go is waited for by nobody: without it there are none, and all else is.
        assert url.hostname in {name, "otel-collector", *reachable(name)}


def reachable(name: str) -> set[str]:
    """What is up before the service: what it waits for, and what that waits for in turn."""
    return {each for other in dependencies(name) for each in (other, *reachable(other))}


def test_kafka_tells_each_side_the_address_that_it_can_reach():
    environment = SERVICES["kafka"]["environment"]
    inside, outside = environment["KAFKA_ADVERTISED_LISTENERS"].split(",")
    assert inside.removeprefix("INSIDE://") == urlsplit(settings_of("collector").log).netloc
    ((address, port, within),) = published("kafka")
    assert outside == f"OUTSIDE://{address}:{port}"
    assert f"OUTSIDE://:{within}" in environment["KAFKA_LISTENERS"]
    protocols = environment["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")
    assert set(protocols) == {f"{name}:PLAINTEXT" for name in ("CONTROLLER", "INSIDE", "OUTSIDE")}


def test_the_driver_and_the_executors_share_the_checkpoint():
    assert settings_of("processor").spark.checkpoint == "", "it is in the data folder"
    for name in ("processor", "spark-worker"):
        assert SERVICES[name]["volumes"] == [f"processor:{settings_of('processor').data_dir}"]
        assert SERVICES[name]["image"] == SERVICES["spark-master"]["image"]


def test_the_broker_is_the_one_that_the_tests_run_on():
    pom = ElementTree.parse(DEPLOY / "servers" / "poms" / "kafka.xml")  # noqa: S314 - our own
    space = {"m": "http://maven.apache.org/POM/4.0.0"}
    version = pom.findtext(".//m:dependency/m:version", namespaces=space)
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{version}"


def test_the_images_health_check_asks_what_the_api_answers():
    asked = re.search(r"HEALTHCHECK.*?'(http://[^']+)'", DOCKERFILE, re.DOTALL)
    assert asked is not None
    url = urlsplit(asked.group(1))
    assert {url.path} == ready.paths
    assert url.port == settings_of("platform").port == settings_of("api").port
