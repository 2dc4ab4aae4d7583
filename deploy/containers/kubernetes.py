"""The Kubernetes manifests: held to the schemas of Kubernetes, and their pods played by podman.

Podman plays pods, and knows neither services nor what makes pods. So of each workload the pod is
taken that Kubernetes would make of it, with its image, arguments, variables, user, rights and
read-only root as they stand. Other than there: a volume that Kubernetes would make is one of
podman's; variables from maps and secrets are given by hand, since podman 4 lets them go over those
of the pod itself, and takes no secret that is text; a port is published on this machine instead of
by a service; and probes are asked from here, since podman would run curl for them in the container,
which is not in it.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from deploy.containers.podman import Podman
from deploy.containers.questions import wait_until
from deploy.servers.server_process import accepts_connections
from deploy.tools import ROOT, run

MANIFESTS = ROOT / "deploy" / "kubernetes"
WORKLOADS = ("Deployment", "StatefulSet")
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")

Document = dict[str, Any]


def documents_of(*names: str) -> list[Document]:
    """The objects in manifests by the names of their files; of all, without names."""
    paths = [MANIFESTS / name for name in names] or sorted(MANIFESTS.glob("*.yaml"))
    found = [each for path in paths for each in yaml.safe_load_all(path.read_text())]
    return [each for each in found if each["kind"] != "Kustomization"]


def validate(tools: Path) -> int:
    """Hold all manifests to the schemas of Kubernetes, strictly; how many objects there are.

    Raises `ContainersFailed`, which names what does not fit.
    """
    files = [str(each) for each in sorted(MANIFESTS.glob("*.yaml")) if "kustom" not in each.name]
    validator = str(tools / "kubernetes-validate")
    run((validator, "--strict", "--quiet", *files), 120)
    # What Spark makes executors of is a manifest within a manifest.
    template = tools / "executor.yaml"
    template.write_text(executor_template())
    run((validator, "--strict", "--quiet", str(template)), 120)
    return len(documents_of()) + 1


def configured() -> dict[str, str]:
    """The variables of all parts, as `configuration.yaml` and `secret.example.yaml` name them."""
    found: dict[str, str] = {}
    for each in documents_of("configuration.yaml", "secret.example.yaml"):
        found |= {**each.get("data", {}), **each.get("stringData", {})}
    return found


def executor_template() -> str:
    """The pod that Spark makes its executors of, named so that it is whole."""
    (map_,) = (
        each for each in documents_of("spark.yaml") if "executor.yaml" in each.get("data", {})
    )
    template = yaml.safe_load(map_["data"]["executor.yaml"])
    template["metadata"]["name"] = "executor"
    return str(yaml.safe_dump(template))


def pod_of(workload: Document, published: dict[str, int], told: dict[str, str]) -> Document:
    """The pod of a workload as podman can play it.

    `published` gives the names of its ports their ports on this machine; `told` are variables that
    are other here than in its own manifest, and those that it has from maps and secrets.
    """
    name = workload["metadata"]["name"]
    spec = copy.deepcopy(workload["spec"]["template"]["spec"])
    spec.pop("topologySpreadConstraints", None)
    (container,) = spec["containers"]
    for probe in PROBES:
        container.pop(probe, None)
    container["image"] = f"localhost/{container['image']}"
    container.pop("envFrom", None)
    container["env"] = [
        *(each for each in container.get("env", []) if each["name"] not in told),
        *({"name": name, "value": value} for name, value in told.items()),
    ]
    for port in container.get("ports", []):
        if port["name"] in published:
            port |= {"hostPort": published[port["name"]], "hostIP": "127.0.0.1"}
    # Podman gives a read-only root a /tmp of memory.
    mounts = [each for each in container["volumeMounts"] if each["name"] != "scratch"]
    container["volumeMounts"] = mounts
    spec["volumes"] = [
        {"name": each["name"], "persistentVolumeClaim": {"claimName": f"{name}-{each['name']}"}}
        for each in mounts
    ]
    labels = workload["spec"]["template"]["metadata"]["labels"]
    metadata = {"name": name, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def replica_of(workload: Document, number: int) -> Document:
    """One of the pods' workloads that Kubernetes would make of a set with several replicas."""
    replica = copy.deepcopy(workload)
    replica["metadata"]["name"] += f"-{number}"
    return replica


@contextmanager
def played(podman: Podman, name: str, documents: list[Document], network: str) -> Iterator[None]:
    """Pods that run, and are taken down at the end. Raises `ContainersFailed`."""
    path = podman.folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump_all(documents))
    try:
        podman.run("kube", "play", f"--network={network}", str(path))
        yield
    finally:
        podman.succeeds("kube", "down", str(path))


def wait_ready(workload: Document, published: dict[str, int]) -> None:
    """Ask the probes of a workload's container at its published ports until all succeed.

    Raises `ContainersFailed`.
    """
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    probes = [container[name] for name in PROBES if name in container]
    wait_until(
        f"{workload['metadata']['name']} is ready",
        lambda: "; ".join(said for probe in probes if (said := _refusal(probe, published))),
    )


def _refusal(probe: Document, published: dict[str, int]) -> str:
    """Why a probe fails, or nothing."""
    if "tcpSocket" in probe:
        port = published[probe["tcpSocket"]["port"]]
        return "" if accepts_connections(port) else f"nothing listens at {port}"
    asked = probe["httpGet"]
    url = f"http://127.0.0.1:{published[asked['port']]}{asked['path']}"
    answer = httpx.get(url, trust_env=False, timeout=5)
    return "" if answer.is_success else f"{url} is answered with {answer.status_code}"
