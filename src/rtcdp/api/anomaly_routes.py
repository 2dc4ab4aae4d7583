"""The addresses of anomalies: all of them, one with what led up to it, and who has seen it."""

from litestar import Response, delete, get, post, route
from litestar.params import FromPath, JSONBody

from rtcdp.access.needs import ADMIN, OPEN, READ
from rtcdp.answers.acknowledgements import AcknowledgedPage, Seen, acknowledge, withdraw
from rtcdp.answers.anomalies import (
    ANOMALIES_PATH,
    AnomaliesPage,
    AnomaliesQuestion,
    Anomaly,
    AnomalyPage,
    anomalies_page,
    anomaly_page,
    keys_of,
)
from rtcdp.answers.list_rows import columns_of
from rtcdp.answers.question import Nothing
from rtcdp.api.address import AnyRequest
from rtcdp.api.context import Context, answer
from rtcdp.api.documentation import documented
from rtcdp.api.list_files import AskedList, list_answer
from rtcdp.api.query import Asked

_ANOMALIES = Asked(AnomaliesQuestion, is_exported=True)
_ANOMALY = Asked(Nothing)
_ACKNOWLEDGEMENT = f"{ANOMALIES_PATH}/{{anomalyId:str}}/acknowledgement"
_BODY_BYTES_MAX = 65_536


@get(
    ANOMALIES_PATH,
    summary="What is out of the ordinary",
    description="Windows of metrics that are far from what is usual, rarely so in their own "
    "history, and more so than all of the last day; newest first. Without `metric`: of those that "
    "are watched, in the last seven days. With it, of any that counts or sums, by its key fields.",
    operation_class=documented(_ANOMALIES, group="Look"),
    opt=READ,
    sync_to_thread=True,
)
def anomalies(request: AnyRequest, context: Context) -> Response[AnomaliesPage]:
    keys = keys_of(context.installation.metrics)
    question = Asked(AnomaliesQuestion, keys, is_exported=True).read(request)
    asked = AskedList(
        name="anomalies",
        question=question,
        page_of=lambda each: anomalies_page(context.installation, each),
        columns=columns_of(Anomaly),
    )
    return list_answer(request, context, asked)


@get(
    f"{ANOMALIES_PATH}/{{anomalyId:str}}",
    summary="One anomaly, and what led up to it",
    description="As it is now: when late events have made it ordinary, it is not there any more. "
    "The events behind it are at `events_url`.",
    operation_class=documented(_ANOMALY, group="Look"),
    opt=READ,
    sync_to_thread=True,
)
def one_anomaly(
    request: AnyRequest,
    context: Context,
    anomalyId: FromPath[str],  # noqa: N803 - as the address calls it
) -> Response[AnomalyPage]:
    _ANOMALY.read(request)
    page = anomaly_page(context.installation, anomalyId)
    return answer(page, page)


# Litestar's own answer names the methods of whichever handler it saw first.
@route(
    _ACKNOWLEDGEMENT,
    http_method=["OPTIONS"],
    status_code=204,
    include_in_schema=False,
    opt=OPEN,
    sync_to_thread=False,
)
def methods_of_acknowledgement() -> Response[None]:
    return Response(None, status_code=204, headers={"Allow": "DELETE, OPTIONS, POST"})


@post(
    _ACKNOWLEDGEMENT,
    summary="Say that an anomaly was seen",
    description="By whom, and a note if there is something to say; who says so last counts. It "
    "stays so whatever is computed again, and goes with its window.",
    operation_class=documented(_ANOMALY, group="Look"),
    request_max_body_size=_BODY_BYTES_MAX,
    status_code=200,
    opt=ADMIN,
    sync_to_thread=True,
)
def acknowledge_anomaly(
    request: AnyRequest,
    context: Context,
    anomalyId: FromPath[str],  # noqa: N803 - as the address calls it
    data: JSONBody[Seen],
) -> Response[AcknowledgedPage]:
    _ANOMALY.read(request)
    page = acknowledge(context.installation, context.store, anomalyId, data)
    return answer(page, page)


@delete(
    _ACKNOWLEDGEMENT,
    summary="Take back that an anomaly was seen",
    operation_class=documented(_ANOMALY, group="Look"),
    opt=ADMIN,
    sync_to_thread=True,
)
def withdraw_acknowledgement(
    request: AnyRequest,
    context: Context,
    anomalyId: FromPath[str],  # noqa: N803 - as the address calls it
) -> None:
    _ANOMALY.read(request)
    withdraw(context.store, anomalyId)


ANOMALY_HANDLERS = (
    anomalies,
    one_anomaly,
    methods_of_acknowledgement,
    acknowledge_anomaly,
    withdraw_acknowledgement,
)
"""All of them, to be given to the API's router."""
