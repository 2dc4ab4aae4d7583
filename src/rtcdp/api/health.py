"""Is this server alive, and is it ready? Which part is not, and why."""

from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus

import msgspec
from litestar import MediaType, Response, get

from rtcdp.api.answer import Context
from rtcdp.api.context import ApiContext
from rtcdp.api.freshness import open_reading
from rtcdp.api.problem import RETRY_AFTER_S
from rtcdp.api.query import documented
from rtcdp.errors import RtcdpError


class TooFarBehind(RtcdpError):
    """The engine has not caught up with the log."""


class Health(msgspec.Struct):
    """`parts` says `ok` of each part, or what is wrong with it; also that the clock was set."""

    status: str
    parts: dict[str, str]


@get(
    "/health/live",
    summary="Is the process alive?",
    media_type=MediaType.JSON,
    operation_class=documented(),
    sync_to_thread=False,
)
def live() -> Health:
    return Health("ok", {})


@get(
    "/health/ready",
    summary="Can it answer, and is it not too far behind?",
    description="503 says which part is not ready, and why.",
    operation_class=documented(),
    sync_to_thread=True,
)
def ready(context: Context) -> Response[Health]:
    parts = {**_own_parts(context), **{n: check() or "ok" for n, check in context.checks.items()}}
    if all(state == "ok" for state in parts.values()):
        return Response(Health("ok", {**parts, **_clock(context)}))
    return Response(
        Health("not ready", parts),
        status_code=HTTPStatus.SERVICE_UNAVAILABLE,
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )


def _own_parts(context: ApiContext) -> dict[str, str]:
    parts = {
        "store": _state(lambda: _read_store(context)),
        "log": _state(lambda: _read_log(context)),
    }
    if all(state == "ok" for state in parts.values()):
        return {**parts, "lag": _state(lambda: _refuse_long_lag(context))}
    return {**parts, "lag": "unknown"}


def _state(check: Callable[[], None]) -> str:
    try:
        check()
    except RtcdpError as error:
        return str(error)
    return "ok"


def _read_store(context: ApiContext) -> None:
    with context.store.snapshot() as snapshot:
        snapshot.ledger_totals()


def _clock(context: ApiContext) -> dict[str, str]:
    """What is to be known of the host's clock, though answers are right all the same."""
    with suppress(RtcdpError), context.store.snapshot() as snapshot:
        kept = snapshot.kept_time()
        if kept.is_suspended:
            step_s = kept.step_ms / 1000
            return {"clock": f"it was set by {step_s:+,.0f} s; nothing is deleted meanwhile"}
    return {}


def _read_log(context: ApiContext) -> None:
    if context.log is not None:
        for partition in context.log.partitions():
            context.log.extent(partition)


def _refuse_long_lag(context: ApiContext) -> None:
    """Without a log the lag is not known: an idle source looks the same as a stopped engine."""
    with open_reading(context) as reading:
        lag_ms, limit = reading.freshness.lag_ms, context.limits.ready_lag_ms
    if context.log is not None and lag_ms > limit:
        raise TooFarBehind(f"{lag_ms} ms behind; ready means at most {limit}")
