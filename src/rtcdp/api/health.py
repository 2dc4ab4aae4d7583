"""Is this server alive, and is it ready? Which part is not, and why."""

from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus

import msgspec
from litestar import MediaType, Response, get

from rtcdp.access.needs import OPEN
from rtcdp.answers.freshness import open_reading
from rtcdp.answers.question import Nothing
from rtcdp.answers.shards import without_processor
from rtcdp.api.context import ApiContext, Check, Context
from rtcdp.api.documentation import documented
from rtcdp.api.problem import RETRY_AFTER_S
from rtcdp.api.query import Asked
from rtcdp.errors import RtcdpError

PATIENCE_S = 0.9
"""Two rounds of checks stay below two seconds."""

_BUSY = 5
"""So many times longer a processor that is known to be there may take for one commit."""


class Health(msgspec.Struct):
    """`parts` says `ok` of each part, or what is wrong with it; also that the clock was set."""

    status: str
    parts: dict[str, str]


@get(
    "/health/live",
    summary="Is the process alive?",
    media_type=MediaType.JSON,
    operation_class=documented(Asked(Nothing), group="Operate"),
    opt=OPEN,
    sync_to_thread=False,
)
def live() -> Health:
    return Health("ok", {})


@get(
    "/health/ready",
    summary="Can it answer, and is it not too far behind?",
    description="503 says which part is not ready, and why.",
    operation_class=documented(Asked(Nothing), group="Operate"),
    opt=OPEN,
    sync_to_thread=True,
)
def ready(context: Context) -> Response[Health]:
    parts = parts_of(context)
    if all(state == "ok" for state in parts.values()):
        return Response(Health("ok", {**parts, **_clock(context)}))
    return Response(
        Health("not ready", parts),
        status_code=HTTPStatus.SERVICE_UNAVAILABLE,
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )


def parts_of(context: ApiContext) -> dict[str, str]:
    """`ok` for each part of the installation, or what is wrong with it."""
    checks = {
        "store": lambda: _read_store(context),
        "log": lambda: _read_log(context),
        **{name: _as_state(check) for name, check in context.checks.items()},
    }
    parts = context.probes.results(checks, PATIENCE_S)
    if parts["store"] != "ok" or parts["log"] != "ok":
        return {**parts, "lag": "unknown"}
    return {**parts, **context.probes.results({"lag": lambda: _lag(context)}, PATIENCE_S)}


def _as_state(check: Check) -> Callable[[], str]:
    return lambda: check() or "ok"


def _read_store(context: ApiContext) -> str:
    with context.installation.store.snapshot() as snapshot:
        snapshot.ledger_totals()
    return "ok"


def _clock(context: ApiContext) -> dict[str, str]:
    """What is to be known of the host's clock, though answers are right all the same."""
    with suppress(RtcdpError), context.installation.store.snapshot() as snapshot:
        kept = snapshot.kept_time()
        if kept.is_suspended:
            step_s = kept.step_ms / 1000
            return {"clock": f"it was set by {step_s:+,.0f} s; nothing is deleted meanwhile"}
    return {}


def _read_log(context: ApiContext) -> str:
    if context.installation.log is not None:
        for partition in context.installation.log.partitions():
            context.installation.log.extent(partition)
    return "ok"


def _lag(context: ApiContext) -> str:
    """Without a log the lag is not known: an idle source looks the same as a stopped engine."""
    if context.installation.log is None:
        return "ok"
    with open_reading(context.installation) as reading:
        fresh, progress = reading.freshness, reading.snapshot.progress
    if fresh.warning is not None:
        return fresh.warning
    lag_ms, limits = fresh.lag_ms or 0, context.limits
    if lag_ms > limits.ready_lag_ms:
        return f"{lag_ms} ms behind; ready means at most {limits.ready_lag_ms}"
    if lag_ms > limits.ready_stall_ms:
        orphans = without_processor(progress, context.installation.clock.now_ms())
        if orphans:
            named = " and ".join(map(str, orphans))
            return f"shard {named} has no processor: records have been waiting for {lag_ms} ms"
    still_ms = min(lag_ms, context.installation.clock.now_ms() - progress.committed_at)
    if still_ms <= limits.ready_stall_ms:
        return "ok"
    works = None if context.is_processing is None else context.is_processing()
    patience_ms = max(limits.ready_stall_ms, context.commit_ms)
    if works is False or (works is None and still_ms > patience_ms):
        return f"no processor works: records have been waiting for {lag_ms} ms"
    if works and still_ms > _BUSY * patience_ms:
        return f"the processor has counted nothing for {still_ms} ms, and records wait"
    return "ok"
