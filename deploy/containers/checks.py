"""What `make containers` goes through, step by step, each told in a line."""

import re
from collections.abc import Callable
from pathlib import Path

import httpx

from deploy.containers import kubernetes, profiles, questions
from deploy.containers.images import (
    SIZE_MAX,
    StandIn,
    build,
    check_image,
    make_debian,
    make_stand_in,
    stand_ins,
)
from deploy.containers.podman import ContainersFailed, Podman
from deploy.containers.profiles import Profile
from deploy.containers.questions import API, COLLECTOR
from deploy.servers.jars import needed_program
from deploy.tools import ROOT, run

Tell = Callable[[str], None]

TARGETS = {
    "embedded": {"platform:8081", "platform:9464"},
    "full": {"collector:8081", "api:8081", "processor:9464"},
}
"""What Prometheus has to see, as its instances are called."""
KILLED = {"embedded": "platform", "full": "processor"}
EXPOSURE_MAX = 20
"""How exposed the unit of systemd may be, in its own tenths."""
_METRICS_PORT = 29464
_USERS = 6
"""Whose events lie in both shards, but once in 32 runs."""
_SPANS = "from urllib.request import urlopen; print(urlopen('http://127.0.0.1:4318/spans').read().decode())"


def make_images(podman: Podman, tell: Tell, *, with_servers: bool, with_spark: bool) -> None:
    """Make everything that the compose file names. Raises `ContainersFailed` and `PartMissing`."""
    image_of = profiles.images_of(profiles.compose_file())
    tell("Debian's smallest system, from its packages")
    make_debian(podman)
    facts = build(podman, "rtcdp", "rtcdp")
    check_image(podman, "rtcdp", facts, size_max=SIZE_MAX)
    tell(f"the image rtcdp: {facts.size / 1e6:.0f} MB, user {facts.user}, runs on a read-only root")
    for each in (*stand_ins(image_of), StandIn("otel", image_of["otel-collector"])):
        if not with_servers and each.folder not in ("otel", "prometheus"):
            continue
        make_stand_in(podman, each)
        tell(f"a stand-in for {each.image}")
    if with_spark:
        build(podman, "jars", "localhost/jars")
        facts = build(podman, "spark", "rtcdp-spark")
        check_image(podman, "rtcdp-spark", facts, size_max=None)
        tell(f"the image rtcdp-spark: {facts.size / 1e6:.0f} MB, user {facts.user}")


def check_profile(podman: Podman, tools: Path, name: str, tell: Tell) -> frozenset[str]:
    """Bring a profile up, ask it, kill a part of it, take it down; the names in alert rules that
    had no series there. Raises `ContainersFailed`."""
    profile = Profile(name, podman, tools / "podman-compose")
    services = profiles.services_of(profiles.compose_file(), name)
    has_collector = "collector" in services
    with profile.up(services):
        tell(f"{name}: {', '.join(services)} are up")
        asked = questions.ask_as_the_readme_does(ROOT / "README.md", has_collector=has_collector)
        tell(f"{name}: {asked} curl commands of the README are answered")
        events = questions.send_through(
            COLLECTOR if has_collector else API,
            "container_check",
            40,
            lambda: profile.kill(KILLED[name]),
        )
        questions.wait_until_counted("container_check", events)
        tell(f"{name}: {events} events count once, {KILLED[name]} killed in their midst")
        watched = questions.look_at_prometheus(TARGETS[name])
        tell(
            f"{name}: Prometheus scrapes {watched.targets} targets and evaluates {watched.rules} "
            f"alert rules; no series here for {', '.join(sorted(watched.unseen)) or 'none'}"
        )
        spans = podman.run("exec", profile.container("otel-collector"), "python", "-c", _SPANS)
        if spans.strip() == "{}":
            raise ContainersFailed("no trace came to the collector", "see what the parts tell")
        tell(f"{name}: spans came by OTLP: {spans.strip()}")
    _require_nothing_left(podman)
    tell(f"{name}: all is down, and nothing is left")
    return watched.unseen


def check_unit(folder: Path, tell: Tell) -> None:
    """Let systemd read the unit, and judge how it is confined, in tenths: 96 is not at all.

    Raises `ToolFailed` and `ContainersFailed`; `PartMissing` without systemd's tool.
    """
    analyze = needed_program("systemd-analyze", "systemd")
    unit = folder / "rtcdp.service"
    installed = re.compile(r"^ExecStart=\S+", re.MULTILINE)
    written = (ROOT / "deploy" / "rtcdp.service").read_text()
    unit.write_text(installed.sub("ExecStart=/bin/true", written))
    # A key that it does not know is told, and is no failure.
    if f"{unit}:" in (said := run((analyze, "verify", str(unit)), 60, merged=True)):
        raise ContainersFailed(f"systemd does not take the unit as it is:\n{said}", "mend it")
    judged = (analyze, "security", "--offline=true", f"--threshold={EXPOSURE_MAX}", str(unit))
    tell(f"the unit of systemd: {run(judged, 60).strip().splitlines()[-1].lstrip('→ ')}")


def check_kubernetes(podman: Podman, tools: Path, tell: Tell) -> frozenset[str]:
    """Hold the manifests to their schemas, play their pods, ask them; the names of the metrics that
    the API told. Raises `ContainersFailed`."""
    tell(f"{kubernetes.validate(tools)} objects of Kubernetes fit its schemas")
    _check_pods_of_files(podman, tell)
    told = _check_pods_on_servers(podman, tools, tell)
    _require_nothing_left(podman)
    return told


def _check_pods_of_files(podman: Podman, tell: Tell) -> None:
    """The pod of `embedded.yaml`: counts exactly, also when it is killed."""
    (workload,) = _workloads("embedded.yaml")
    published = {"http": 8081, "metrics": _METRICS_PORT}
    podman.run("network", "create", "pods")
    documents = [kubernetes.pod_of(workload, published, {})]
    with kubernetes.played(podman, "embedded", documents, "pods"):
        kubernetes.wait_ready(workload, published)
        container = f"{workload['metadata']['name']}-platform"

        def kill() -> None:
            podman.run("kill", "--signal=KILL", container)
            podman.run("wait", container)
            podman.run("start", container)

        events = questions.send_through(API, "pod_check", 20, kill)
        questions.wait_until_counted("pod_check", events)
        tell(f"the pod of embedded.yaml counts {events} events once, killed in their midst")
    podman.remove_all()


def _check_pods_on_servers(podman: Podman, tools: Path, tell: Tell) -> frozenset[str]:
    """The pods of collector, API and two processors that share the log, on the compose file's Kafka
    and PostgreSQL, one processor killed; the names of the metrics that the API told."""
    profile = Profile("full", podman, tools / "podman-compose")
    published = {
        "rtcdp-collector": {"http": 8082},
        "rtcdp-processor-0": {"metrics": _METRICS_PORT},
        "rtcdp-processor-1": {"metrics": _METRICS_PORT + 1},
        "rtcdp-api": {"http": 8081},
    }
    told = {
        **kubernetes.configured(),
        "RTCDP_LOG": "kafka://kafka:19092/raw_customer_events",
        "RTCDP_KAFKA_REPLICATION_FACTOR": "1",
        "RTCDP_STORE": "postgresql://rtcdp:rtcdp@postgresql:5432/rtcdp",
        "RTCDP_PROCESSOR_SHARDS": "2",
    }
    (processor,) = _workloads("processor.yaml")
    processors = [kubernetes.replica_of(processor, number) for number in range(2)]
    workloads = [*_workloads("collector.yaml"), *processors, *_workloads("api.yaml")]
    with profile.up(["kafka", "postgresql"]):
        pods = [
            kubernetes.pod_of(each, published[each["metadata"]["name"]], told) for each in workloads
        ]
        network = f"{profiles.PROJECT}_default"
        with kubernetes.played(podman, "parts", pods, network):
            for each in workloads:
                kubernetes.wait_ready(each, published[each["metadata"]["name"]])
            questions.wait_until_shared(shards=2)

            def kill() -> None:
                podman.run("kill", "--signal=KILL", "rtcdp-processor-1-processor")

            users = [f"pods_check_{number}" for number in range(_USERS)]
            for number, user in enumerate(users):
                kills = kill if number == _USERS // 2 else lambda: None
                questions.send_through(COLLECTOR, user, 4, kills)
            for user in users:
                questions.wait_until_counted(user, 200)
            questions.wait_until_shared(shards=2)
            tell(
                f"the pods of collector, API and two processors count {_USERS * 200} events once,"
                " a processor killed in their midst"
            )
            told_of = questions.metrics_told()
    podman.remove_all()
    return told_of


def _workloads(*names: str) -> list[kubernetes.Document]:
    return [
        each for each in kubernetes.documents_of(*names) if each["kind"] in kubernetes.WORKLOADS
    ]


def _require_nothing_left(podman: Podman) -> None:
    if left := podman.left():
        raise ContainersFailed(f"this is left: {left}", "remove it by hand")
    for port in (8081, 8082, 9090):
        try:
            httpx.get(f"http://127.0.0.1:{port}/", trust_env=False, timeout=2)
        except httpx.HTTPError:
            continue
        raise ContainersFailed(f"something still answers at port {port}", "find out what")
