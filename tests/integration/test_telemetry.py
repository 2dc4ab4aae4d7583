"""What operators see of an installation: a server and a processor that run, scraped as Prometheus
does it."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from secrets import token_bytes

import httpx
import pytest
import yaml
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from rtcdp.access.key_file import change_keys, keys_path
from rtcdp.access.keys import KeyWish
from rtcdp.answers.shards import ShardShown
from rtcdp.api.exposition import told_of_shards
from rtcdp.clock import SystemClock
from rtcdp.engines.commit import NOBODY
from rtcdp.engines.instruments import SPARK_PHASES, EngineInstruments
from rtcdp.runtime.http.server import Roles
from rtcdp.runtime.processes.ports import claim_port
from rtcdp.runtime.settings import Settings
from rtcdp.telemetry import TelemetryRules
from tests.running import running

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
OPERATIONS = ROOT / "docs" / "operations.md"
RULES = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())
CANARIES = ("canary@mail.example", "canary-user", "canary-id", "canary-product", "canary-source")


@pytest.fixture(scope="module")
def scraped(tmp_path_factory) -> dict[str, str]:
    """What each part says after some traffic, by its name; `again` is the server, after more."""
    settings = settings_in(tmp_path_factory.mktemp("told"))
    with running(settings), httpx.Client(trust_env=False, timeout=60) as client:
        client.base_url = settings.base_url
        now = SystemClock().now_ms()
        event = {"eventId": CANARIES[2], "userId": CANARIES[0], "eventType": "PAGE_VIEW"}
        event = {**event, "productId": CANARIES[3], "timestamp": now}
        late = {"userId": CANARIES[1], "eventType": "SEARCH", "timestamp": now - 30 * 86_400_000}
        client.post("/v1/events", json=[event, event, late, {"userId": CANARIES[1]}])
        client.post("/v1/events", content=b"[" + CANARIES[1].encode())
        while client.get("/api/ledger").json()["totals"]["received"] < 4:
            time.sleep(0.05)
        ask_all_kinds(client, 0)
        client.get("/metrics")
        told = {"server": client.get("/metrics").text}
        ask_all_kinds(client, 1)
        told["again"] = client.get("/metrics").text
        told["processor"] = client.get(processors_address(settings)).text
    return told


def ask_all_kinds(client: httpx.Client, turn: int) -> None:
    """Routes with ids of users and others in them, with names that there are not, and none."""
    for number in range(5):
        name = f"{CANARIES[1]}-{turn}-{number}"
        client.get(f"/api/users/{name}")
        client.get(f"/api/recommendations/user/{name}")
        client.get(f"/api/metrics/{name}")
        client.get(f"/{name}")
        client.post("/v1/events?source=no%20name", json={})
    client.get("/api/metrics/user_page_view_counts")
    client.get("/api/metrics/revenue")
    client.request("CANARY", "/api/ledger")
    client.get("/api/ledger", headers={"Host": f"{CANARIES[1]}.example"})


def test_counts_are_what_was_sent(scraped) -> None:
    server, engine = values(scraped["server"]), values(scraped["processor"])
    assert server['rtcdp_intake_events_total{stream="events"}'] == 4
    assert server['rtcdp_intake_rejected_events_total{stream="events"}'] == 1
    refused = 'rtcdp_intake_refused_requests_total{reason="%s",stream="events"}'
    assert server[refused % "not_events"] == 1
    assert server[refused % "bad_source"] == 5
    assert server['rtcdp_log_append_seconds_count{stream="events"}'] == 1
    assert server['rtcdp_counted_offset{partition="0"}'] == 4
    assert server['rtcdp_log_next_offset{partition="0"}'] == 4
    assert server["rtcdp_store_readable"] == 1
    assert server['rtcdp_store_seconds_count{operation="read"}'] > 0
    assert server['rtcdp_disk_free_bytes{place="log"}'] > 0
    judged = {k: v for k, v in engine.items() if k.startswith("rtcdp_judged_records_total")}
    assert judged == {
        'rtcdp_judged_records_total{reason="",verdict="admitted"}': 1,
        'rtcdp_judged_records_total{reason="duplicate",verdict="duplicate"}': 1,
        'rtcdp_judged_records_total{reason="late",verdict="late"}': 1,
        'rtcdp_judged_records_total{reason="missing_field",verdict="dead_letter"}': 1,
    }
    assert engine['rtcdp_engine_next_offset{partition="0"}'] == 4
    epochs = engine["rtcdp_epoch_records_count"]
    assert engine['rtcdp_store_seconds_count{operation="commit"}'] == epochs > 0
    assert engine["rtcdp_epoch_records_sum"] == 4
    assert engine['rtcdp_row_cache_keys_total{result="miss"}'] > 0


def test_requests_are_told_by_route(scraped) -> None:
    server = values(scraped["server"])
    counted = 'rtcdp_http_request_seconds_count{method="%s",route="%s",status="%s"}'
    assert server[counted % ("POST", "/v1/events", "2xx")] == 1
    assert server[counted % ("POST", "/v1/events", "4xx")] == 6
    assert server[counted % ("GET", "/api/users/{userId}", "4xx")] == 5
    assert server[counted % ("GET", "/api/recommendations/user/{userId}", "2xx")] == 5
    assert server[counted % ("GET", "/api/metrics/{name}", "2xx")] == 2
    assert server[counted % ("GET", "other", "4xx")] >= 6
    assert server[counted % ("other", "other", "4xx")] == 1


def test_series_do_not_grow_with_what_is_asked(scraped) -> None:
    before, after = values(scraped["server"]), values(scraped["again"])
    assert before.keys() == after.keys()
    assert len(after) < 2_000


def test_no_canary_is_told(scraped) -> None:
    for part, text in scraped.items():
        assert [each for each in CANARIES if each in text.lower()] == [], part
        assert "canary" not in text.lower()


@pytest.mark.parametrize("part", ["server", "processor"])
def test_names_and_kinds_are_as_prometheus_wants_them(scraped, part: str) -> None:
    """The rules of `promtool check metrics`, and ours: a prefix, base units, a sentence."""
    found = families(scraped[part])
    assert len({family.name for family in found}) == len(found)
    for family in found:
        for fault in faults_of(family):
            pytest.fail(f"{family.name}: {fault}")


def test_a_rule_that_is_broken_is_seen() -> None:
    def faults(text: str) -> list[str]:
        return [fault for family in families(text) for fault in faults_of(family)]

    assert (
        faults("# HELP rtcdp_a_seconds A.\n# TYPE rtcdp_a_seconds gauge\nrtcdp_a_seconds 1\n") == []
    )
    assert faults("# HELP a_b A.\n# TYPE a_b gauge\na_b 1\n") == ["has no prefix of ours"]
    assert faults("# TYPE rtcdp_a gauge\nrtcdp_a 1\n") == ["says nothing in a sentence"]
    milli = "rtcdp_a_milliseconds"
    assert faults(f"# HELP {milli} A.\n# TYPE {milli} gauge\n{milli} 1\n") == ["has no base unit"]
    total = "rtcdp_a_total"
    assert "only counters end in _total" in faults(
        f"# HELP {total} A.\n# TYPE {total} gauge\n{total} 1\n"
    )


def test_the_docs_have_a_line_for_each_name_and_no_other(scraped) -> None:
    lines = OPERATIONS.read_text(encoding="utf-8").splitlines()
    cells = [line.split("|")[1] for line in lines if line.startswith("| `rtcdp_")]
    told = re.findall(r"`(rtcdp_\w+)`", "".join(cells))
    parts = (*scraped.values(), of_shards())
    there = {name_of(family) for part in parts for family in families(part)}
    assert sorted(told) == sorted(name for name in there if name.startswith("rtcdp_"))


@pytest.mark.parametrize("place", ["alerts", "dashboard"])
def test_what_alerts_and_dashboards_ask_for_is_there(scraped, place: str) -> None:
    there = known_series(scraped)
    asked = [*(alerts() if place == "alerts" else panels())]
    assert len(asked) >= 15
    for expression in asked:
        assert faults_in(expression, there) == [], expression


def test_what_is_not_there_is_seen(scraped) -> None:
    there = known_series(scraped)
    assert faults_in("rate(rtcdp_lag_minutes[5m]) > 0", there) == ["no metric rtcdp_lag_minutes"]
    unlabelled = 'rtcdp_store_seconds_count{operation="write",region=~"a|b"}'
    assert faults_in(unlabelled, there) == [
        "rtcdp_store_seconds_count has no operation write",
        "rtcdp_store_seconds_count has no label region",
    ]
    assert faults_in("sum by (shop) (rtcdp_wal_bytes)", there) == [
        "nothing here has the label shop"
    ]


def test_every_alert_says_whom_it_wakes_and_what_it_is() -> None:
    rules = [rule for group in RULES["groups"] for rule in group["rules"]]
    for rule in rules:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"].keys() == {"summary"}
    told = re.findall(r"^\| `(Rtcdp\w+)` \|", OPERATIONS.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(told) == sorted(rule["alert"] for rule in rules)


def test_where_keys_are_needed_they_are_needed_here(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    wishes = [KeyWish(scope, (scope,)) for scope in ("read", "write")]
    path = keys_path(tmp_path)
    read, write = (
        change_keys(path, lambda ring, w=wish: ring.with_new(w, 0, token_bytes)).token
        for wish in wishes
    )
    with running(settings, Roles(answers=False)), httpx.Client(timeout=60) as client:
        for address in (f"{settings.base_url}/metrics", processors_address(settings)):

            def status(token: str | None, address: str = address, **headers: str) -> int:
                shown = {} if token is None else {"Authorization": f"Bearer {token}"}
                return client.get(address, headers={**shown, **headers}).status_code

            assert [status(None), status(write), status(read)] == [401, 403, 200]
            assert status(read, Host="rebound.example") == 421
        other = processors_address(settings).replace("/metrics", "/api/ledger")
        assert client.get(other, headers={"Authorization": f"Bearer {read}"}).status_code == 404


def settings_in(folder: Path) -> Settings:
    ports = [claim_port("127.0.0.1", 0), claim_port("127.0.0.1", 0)]
    return Settings(data_dir=folder, port=ports[0], telemetry=TelemetryRules(port=ports[1]))


def processors_address(settings: Settings) -> str:
    return f"http://{settings.host}:{settings.telemetry.port}/metrics"


def families(text: str) -> list[Metric]:
    return list(text_string_to_metric_families(text))


def values(text: str) -> dict[str, float]:
    """Every series of ours with its value, but for times of creation and single buckets."""
    return {
        series(sample): sample.value
        for family in families(text)
        for sample in family.samples
        if sample.name.startswith("rtcdp_") and not sample.name.endswith(("_created", "_bucket"))
    }


def series(sample: Sample) -> str:
    labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
    return f"{sample.name}{{{labels}}}" if labels else sample.name


Known = dict[str, dict[str, set[str]]]
"""The values of each label of each series by its name."""


def known_series(scraped: dict[str, str]) -> Known:
    """What parts tell, and what Prometheus adds."""
    found: Known = {"up": {"job": {"rtcdp"}, "instance": set()}}
    for text in (*scraped.values(), of_spark(), of_shards()):
        for family in families(text):
            for sample in family.samples:
                labels = found.setdefault(sample.name, {"job": {"rtcdp"}, "instance": set()})
                for label, value in sample.labels.items():
                    labels.setdefault(label, set()).add(value)
    return found


def of_spark() -> str:
    """What a processor tells once Spark has told of a batch."""
    registry = CollectorRegistry()
    listeners = EngineInstruments(registry).heard_by(NOBODY)
    listeners.on_progress(1, dict.fromkeys(SPARK_PHASES, 1))
    return generate_latest(registry).decode()


def of_shards() -> str:
    """What a server tells of a store that several processors write to."""

    class Told:
        def collect(self) -> Iterator[Metric]:
            return told_of_shards([ShardShown(0, (0,), 3, None, has_processor=True)])

    registry = CollectorRegistry()
    registry.register(Told())
    return generate_latest(registry).decode()


def faults_in(expression: str, there: Known) -> list[str]:
    """What an expression of PromQL asks for that is not there: metrics, labels, and values of
    labels. What has happened to nobody yet has its values in EXPECTED."""
    faults, labels_there = [], set()
    for name, _, matchers in re.findall(SELECTOR, expression):
        if name not in there:
            faults.append(f"no metric {name}")
            continue
        labels_there |= there[name].keys()
        for label, _, value in re.findall(r'(\w+)\s*(=~|!=|!~|=)\s*"([^"]*)"', matchers):
            if label not in there[name]:
                faults.append(f"{name} has no label {label}")
                continue
            known = there[name][label] | EXPECTED.get(label, set())
            faults += [
                f"{name} has no {label} {one}" for one in value.split("|") if one not in known
            ]
    for group in re.findall(r"\b(?:by|on|without)\s*\(([^)]*)\)", expression):
        labels = {label.strip() for label in group.split(",")}
        faults += [f"nothing here has the label {each}" for each in sorted(labels - labels_there)]
    return faults


SELECTOR = r"\b(rtcdp_\w+|process_\w+|python_\w+|up\b)(\{([^}]*)\})?"
EXPECTED = {"status": {"5xx"}, "result": {"hit"}}


def alerts() -> Iterator[str]:
    yield from (rule["expr"] for group in RULES["groups"] for rule in group["rules"])


def panels() -> Iterator[str]:
    dashboard = json.loads((DEPLOY / "grafana" / "dashboards" / "rtcdp.json").read_text())
    sources = yaml.safe_load(
        (DEPLOY / "grafana" / "provisioning" / "datasources" / "prometheus.yaml").read_text()
    )
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            assert panel["datasource"]["uid"] == sources["datasources"][0]["uid"]
            yield target["expr"]


def name_of(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name


def faults_of(family: Metric) -> Iterator[str]:
    is_ours = family.name.startswith("rtcdp_")
    if not is_ours and not family.name.startswith(("process_", "python_")):
        yield "has no prefix of ours"
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", family.name):
        yield "is no name in snake_case"
    if not re.fullmatch(r"[A-Z0-9].*[.]", family.documentation, re.DOTALL) and is_ours:
        yield "says nothing in a sentence"
    if family.type not in ("counter", "gauge", "histogram"):
        yield f"is a {family.type}"
    if family.type != "counter" and family.name.endswith("_total"):
        yield "only counters end in _total"
    if re.search(
        r"_(ms|milliseconds?|minutes?|hours?|kib|mib|gib|percent|second|byte)$", family.name
    ):
        yield "has no base unit"
    if re.search(r"(counter|gauge|histogram|summary)", family.name):
        yield "names its kind"
    for sample in family.samples:
        for label in sample.labels:
            if not re.fullmatch(r"[a-z][a-z0-9_]*", label) or label in ("job", "instance"):
                yield f"has a label {label}"
