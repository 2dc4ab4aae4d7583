"""What a platform in containers is asked: the README's curl lines, Prometheus, and exact counts."""

import json
import re
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from deploy.containers.podman import ContainersFailed
from deploy.servers.jars import needed_program

API = "http://127.0.0.1:8081"
COLLECTOR = "http://127.0.0.1:8082"
PROMETHEUS = "http://127.0.0.1:9090"

_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
_NAME = re.compile(r"\b(?:rtcdp|process)_[a-z0-9_]+|\bup\b")
_WITHIN_S = 240
_TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
_ANSWERED_WITHIN_S = 60
_SEND_AGAIN_AFTER_S = 0.5


def curl_commands(page: str) -> Iterator[str]:
    """The curl commands in the shell blocks of a page that ask this machine, in its order; each may
    go over several lines."""
    for block in _BLOCK.findall(page):
        pending = ""
        for line in block.replace("\\\n", "").splitlines():
            pending = f"{pending}\n{line}" if pending else line
            try:
                words = shlex.split(pending, comments=True)
            except ValueError:  # a quote is open
                continue
            if words and words[0] == "curl" and any("localhost" in word for word in words):
                yield pending
            pending = ""


def ask_as_the_readme_does(readme: Path, *, has_collector: bool) -> int:
    """Run the README's curl commands but those about files of the reader's own; how many ran.

    `has_collector`: another port than the API's takes events. Raises `ContainersFailed` for an
    answer that is an error, or nothing.
    """
    asked = 0
    for command in curl_commands(readme.read_text()):
        if "large_orders" in command:
            continue
        door = "localhost:8082/v1/" if has_collector else "localhost:8081/v1/"
        checked = command.replace("localhost:8081/v1/", door).replace(
            "curl ", "curl --silent --show-error --fail-with-body ", 1
        )
        # What was just sent may not be counted yet.
        wait_until(command, partial(_error_of, checked), _ANSWERED_WITHIN_S)
        asked += 1
    return asked


def _error_of(command: str) -> str:
    """What a shell's command says when it fails or says nothing; else nothing."""
    done = subprocess.run(
        (needed_program("bash", "bash"), "-c", command),
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    if done.returncode == 0 and done.stdout.strip():
        return ""
    return f"{done.stdout}{done.stderr}".strip() or "no answer"


def metrics_in(expression: str) -> set[str]:
    """The names of metrics in an expression of an alert rule.

    >>> sorted(metrics_in('up{job="rtcdp"} == 0 or rate(rtcdp_wal_bytes[5m]) > 1'))
    ['rtcdp_wal_bytes', 'up']
    """
    without_labels = re.sub(r"\{[^}]*\}|\b(?:on|by|without) \([^)]*\)", "", expression)
    return set(_NAME.findall(without_labels))


@dataclass(frozen=True)
class Watched:
    """What Prometheus sees: how many targets, and which names of the alerts have no series."""

    targets: int
    rules: int
    unseen: frozenset[str]


def look_at_prometheus(expected: set[str]) -> Watched:
    """Wait until all of `expected` (NAME:PORT) are scraped and every alert rule was evaluated.

    Raises `ContainersFailed` when one is not, or a rule has an error.
    """

    def missing() -> str:
        found = _prometheus("targets")["activeTargets"]
        up = {each["labels"]["instance"] for each in found if each["health"] == "up"}
        rules = [rule for group in _prometheus("rules")["groups"] for rule in group["rules"]]
        wrong = [f"{rule['name']}: {rule['lastError']}" for rule in rules if rule.get("lastError")]
        waiting = [rule["name"] for rule in rules if rule["health"] != "ok"]
        told = [f"not scraped: {sorted(expected - up)}"] if expected - up else []
        told += [f"alerts with errors: {wrong}"] if wrong else []
        told += [f"alerts not evaluated: {waiting}"] if waiting or not rules else []
        return "; ".join(told)

    wait_until("Prometheus sees everything", missing)
    rules = [rule for group in _prometheus("rules")["groups"] for rule in group["rules"]]
    names = set().union(*(metrics_in(rule["query"]) for rule in rules))
    unseen = {name for name in names if not _prometheus("query", query=f"count({name})")["result"]}
    return Watched(len(expected), len(rules), frozenset(unseen))


def send_through(
    door: str, user: str, batches: int, disturb: Callable[[], None], *, each: int = 50
) -> int:
    """Send `batches` of `each` page views of one user, and break something in the midst; how many
    events. A batch that is not accepted is sent again until it is, with the same ids.

    Raises `ContainersFailed` when that takes too long.
    """
    with httpx.Client(base_url=door, trust_env=False, timeout=10) as client:
        for batch in range(batches):
            if batch == batches // 2:
                disturb()
            now_ms = int(time.time() * 1000)
            events = [
                {
                    **{"eventId": f"{user}-{batch}-{n}", "userId": user, "timestamp": now_ms},
                    **{"eventType": "PAGE_VIEW", "pageUrl": f"/{n}"},
                }
                for n in range(each)
            ]
            wait_until(f"batch {batch} is taken", lambda: _refused(client, events))  # noqa: B023
    return batches * each


def wait_until_counted(user: str, events: int) -> None:
    """Wait until each of the user's events stands in its two windows, and the ledger balances.

    Raises `ContainersFailed` when it does not come to that, or more are counted.
    """

    def missing() -> str:
        windows = _answer(f"/api/analytics/user/{user}/page-views")
        counted = sum(window["page_view_count"] for window in windows)
        return "" if counted == 2 * events else f"{counted} of {2 * events} are counted"

    wait_until(f"{events} events of {user} are counted", missing)
    totals = _answer("/api/ledger")["totals"]
    fates = {name: number for name, number in totals.items() if name != "received"}
    if totals["received"] != sum(fates.values()):
        raise ContainersFailed(f"the ledger does not balance: {totals}", "see what is lost")


def wait_until_shared(shards: int) -> None:
    """Wait until the API tells of each shard that a processor has it. Raises `ContainersFailed`."""

    def missing() -> str:
        held = {f'rtcdp_shard_processors{{shard="{shard}"}} 1.0' for shard in range(shards)}
        free = held - set(_exposition().splitlines())
        return f"not told: {sorted(free)}" if free else ""

    wait_until("each shard has a processor", missing)


def metrics_told() -> frozenset[str]:
    """The names of all metrics that the API has a series of."""
    return frozenset(
        each.split("{")[0].split()[0]
        for each in _exposition().splitlines()
        if each and not each.startswith("#")
    )


def wait_until(what: str, missing: Callable[[], str], within_s: float = _WITHIN_S) -> None:
    """Return when nothing is `missing`, in words; what can't be asked is missing as well.

    Raises `ContainersFailed` with the last of its words.
    """
    deadline = time.monotonic() + within_s
    while True:
        try:
            said = missing()
        except (httpx.HTTPError, KeyError, json.JSONDecodeError) as error:
            said = repr(error)
        if not said:
            return
        if time.monotonic() > deadline:
            raise ContainersFailed(f"it took longer than {within_s:.0f} s until {what}: {said}", "")
        time.sleep(_SEND_AGAIN_AFTER_S)


def _refused(client: httpx.Client, events: list[dict[str, Any]]) -> str:
    answer = client.post("/v1/events", json=events, headers={"traceparent": _TRACE})
    return "" if answer.status_code < 300 else f"{answer.status_code} {answer.text}"


def _exposition() -> str:
    answer = httpx.get(f"{API}/metrics", trust_env=False, timeout=20)
    answer.raise_for_status()
    return answer.text


def _answer(path: str) -> Any:
    answer = httpx.get(f"{API}{path}", trust_env=False, timeout=20)
    answer.raise_for_status()
    return answer.json()


def _prometheus(what: str, **parameters: str) -> Any:
    url = f"{PROMETHEUS}/api/v1/{what}"
    answer = httpx.get(url, params=parameters, trust_env=False, timeout=20)
    answer.raise_for_status()
    return answer.json()["data"]
