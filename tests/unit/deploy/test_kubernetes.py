"""The Kubernetes manifests hold together, and all they say about rtcdp is true of rtcdp."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from deploy.containers.kubernetes import PROBES, WORKLOADS, documents_of, executor_template
from rtcdp.api.health import live
from rtcdp.cli.app import COMMANDS, command_of
from rtcdp.engines.spark.limits import conf_of
from rtcdp.runtime.settings import PREFIX, Settings, all_settings, load, require_loopback

DEPLOY = Path(__file__).parents[3] / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
DOCUMENTS = documents_of()
BY_NAME = {each["metadata"]["name"]: each for each in DOCUMENTS if each["kind"] in WORKLOADS}
CONFIGURATION = {
    each["metadata"]["name"]: {**each.get("data", {}), **each.get("stringData", {})}
    for each in DOCUMENTS
    if each["kind"] in ("ConfigMap", "Secret")
}


def pod(name: str) -> dict:
    return BY_NAME[name]["spec"]["template"]["spec"]


def container(name: str) -> dict:
    (only,) = pod(name)["containers"]
    return only


def variables(name: str) -> dict[str, str]:
    """The variables of a pod's container, after rtcdp's own of the image."""
    found = dict(re.findall(r"(RTCDP_\w+)=(\S+)", DOCKERFILE))
    for source in container(name).get("envFrom", []):
        (reference,) = source.values()
        found |= CONFIGURATION[reference["name"]]
    return found | {each["name"]: each.get("value", "") for each in container(name).get("env", [])}


def settings_of(name: str) -> Settings:
    return load({}, {k: v for k, v in variables(name).items() if k.startswith(PREFIX)})


def labels(name: str) -> dict[str, str]:
    return BY_NAME[name]["spec"]["template"]["metadata"]["labels"]


def test_every_file_is_applied_or_says_what_it_is_instead_of():
    kustomization = yaml.safe_load((DEPLOY / "kubernetes" / "kustomization.yaml").read_text())
    files = {path.name for path in (DEPLOY / "kubernetes").glob("*.yaml")}
    assert files - {*kustomization["resources"]} == {
        *("embedded.yaml", "kustomization.yaml", "secret.example.yaml", "spark.yaml"),
    }


def test_what_is_applied_brings_its_namespace_and_sets_no_secret_back():
    kustomization = yaml.safe_load((DEPLOY / "kubernetes" / "kustomization.yaml").read_text())
    applied = documents_of(*kustomization["resources"])
    (namespace,) = (each for each in applied if each["kind"] == "Namespace")
    assert namespace["metadata"]["name"] == kustomization["namespace"]
    assert not [each for each in applied if each["kind"] == "Secret"]


def test_all_parts_are_there():
    assert set(BY_NAME) == {
        *("rtcdp-collector", "rtcdp-processor", "rtcdp-api", "rtcdp-platform", "rtcdp-spark"),
    }


@pytest.mark.parametrize("name", BY_NAME)
def test_a_pod_has_no_rights_and_writes_to_its_data_alone(name):
    held = pod(name)["securityContext"]
    assert held["runAsNonRoot"] is True
    assert f"USER {held['runAsUser']}:{held['runAsGroup']}" in DOCKERFILE
    assert held["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container(name)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    mounted = {each["mountPath"]: each["name"] for each in container(name)["volumeMounts"]}
    assert {str(settings_of(name).data_dir), "/tmp"} <= set(mounted)  # noqa: S108 - in its pod
    claimed = BY_NAME[name]["spec"].get("volumeClaimTemplates", [])
    volumes = [each["name"] for each in pod(name)["volumes"]]
    assert sorted(mounted.values()) == sorted(
        [*volumes, *(each["metadata"]["name"] for each in claimed)]
    )
    assert {"requests", "limits"} <= set(container(name)["resources"])


@pytest.mark.parametrize("name", BY_NAME)
def test_a_command_and_its_settings_are_rtcdps(name):
    command, *arguments = container(name)["args"]
    assert command in COMMANDS
    command_of(command).make_context(command, list(arguments))
    known = {setting.variable for setting in all_settings()}
    assert {key for key in variables(name) if key.startswith(PREFIX)} <= known
    require_loopback(settings_of(name))
    assert container(name)["image"] == ("rtcdp-spark" if name == "rtcdp-spark" else "rtcdp")


@pytest.mark.parametrize("name", BY_NAME)
def test_a_probe_asks_what_is_answered_at_a_port_that_is_listened_on(name):
    settings = settings_of(name)
    ports = {each["name"]: each["containerPort"] for each in container(name)["ports"]}
    expected = {"http": settings.port, "metrics": settings.telemetry.port, "driver": 7078}
    assert all(expected.get(port, number) == number for port, number in ports.items())
    probes = [container(name)[probe] for probe in PROBES if probe in container(name)]
    assert len(probes) >= 2
    # Not those of readiness: answers and intake stay on the network while only counting is late.
    paths = {*live.paths, "/metrics"}
    for probe in probes:
        asked = probe.get("httpGet") or probe["tcpSocket"]
        assert asked["port"] in ports
        assert asked.get("path", "/metrics") in paths


def test_services_and_disruption_budgets_select_pods_that_there_are():
    for each in DOCUMENTS:
        spec = each.get("spec", {})
        if each["kind"] == "Service":
            (chosen,) = (n for n in BY_NAME if labels(n) == spec["selector"])
            ports = {port["name"] for port in container(chosen)["ports"]}
            assert {port["targetPort"] for port in spec["ports"]} <= ports
        if each["kind"] == "PodDisruptionBudget":
            (chosen,) = (n for n in BY_NAME if labels(n) == spec["selector"]["matchLabels"])
            # One that may never be taken away would keep its machine from being emptied.
            assert BY_NAME[chosen]["spec"]["replicas"] > spec["minAvailable"]


def test_a_pod_stays_as_long_as_its_drain_may_take():
    for name in BY_NAME:
        assert pod(name)["terminationGracePeriodSeconds"] >= 45


def test_spark_gets_settings_that_it_takes_and_an_executor_of_the_same_image():
    conf = conf_of(settings_of("rtcdp-spark").spark.conf)
    assert settings_of("rtcdp-spark").engine == "spark"
    assert urlsplit(settings_of("rtcdp-spark").spark.master).scheme == "k8s"
    template = yaml.safe_load(executor_template())
    (executor,) = template["spec"]["containers"]
    assert conf["spark.kubernetes.container.image"] == "$(EXECUTOR_IMAGE)"
    assert variables("rtcdp-spark")["EXECUTOR_IMAGE"] == executor["image"] == "rtcdp-spark"
    # A variable is put into those that come after it.
    named = [each["name"] for each in container("rtcdp-spark")["env"]]
    assert named.index("EXECUTOR_IMAGE") < named.index("RTCDP_SPARK_CONF")
    assert executor["command"] == ["spark-executor"]
    assert "COPY deploy/image/spark_executor.sh /usr/local/bin/spark-executor" in DOCKERFILE
    folder, _, file = conf["spark.kubernetes.executor.podTemplateFile"].rpartition("/")
    mounts = {each["mountPath"]: each["name"] for each in container("rtcdp-spark")["volumeMounts"]}
    assert mounts[folder] == "executor"
    assert file in CONFIGURATION["rtcdp-spark-executor"]
    of_executor = {each["mountPath"] for each in executor["volumeMounts"]}
    checkpoint = settings_of("rtcdp-spark").spark.checkpoint
    shared = [path for path in of_executor & {*mounts} if checkpoint.startswith(path)]
    assert shared == ["/checkpoint"]
    ports = {each["name"]: str(each["containerPort"]) for each in container("rtcdp-spark")["ports"]}
    assert conf["spark.driver.port"] == ports["driver"]
    # Executors exchange blocks with each other, at a port of chance unless they are told one.
    assert conf["spark.driver.blockManager.port"] == ports["blocks"]
    assert conf["spark.blockManager.port"] == ports["blocks"]
    assert {str(port) for port in _open_to("executor")} == {
        *(conf["spark.driver.port"], conf["spark.blockManager.port"]),
    }


def _open_to(component: str) -> set[int]:
    """The ports of ours that a component's pods reach."""
    (policy,) = (each for each in DOCUMENTS if each["kind"] == "NetworkPolicy")
    return {
        port["port"]
        for rule in policy["spec"]["ingress"]
        for source in rule["from"]
        if source.get("podSelector", {}).get("matchLabels", {}).get("app.kubernetes.io/component")
        == component
        for port in rule["ports"]
    }


def test_the_network_policy_is_about_ports_that_are_listened_on():
    (policy,) = (each for each in DOCUMENTS if each["kind"] == "NetworkPolicy")
    open_ports = {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}
    listened = {each["containerPort"] for name in BY_NAME for each in container(name)["ports"]}
    assert open_ports == listened
    chosen = policy["spec"]["podSelector"]["matchLabels"].items()
    assert all(chosen <= labels(name).items() for name in BY_NAME)
