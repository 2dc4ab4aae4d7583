"""The addresses of anomalies: all of them, and one with what led up to it."""

from litestar import Response, get
from litestar.params import FromPath

from rtcdp.answers.anomalies import (
    ANOMALIES_PATH,
    AnomaliesPage,
    AnomaliesQuestion,
    AnomalyPage,
    anomalies_page,
    anomaly_page,
    keys_of,
)
from rtcdp.answers.question import Nothing
from rtcdp.api.address import AnyRequest
from rtcdp.api.context import Context, answer
from rtcdp.api.documentation import documented
from rtcdp.api.query import Asked

_ANOMALIES = Asked(AnomaliesQuestion)
_ANOMALY = Asked(Nothing)


@get(
    ANOMALIES_PATH,
    summary="What is out of the ordinary",
    description="Windows of metrics that are far from what is usual, rarely so in their own "
    "history, and more so than all of the last day; newest first. Without `metric`: of those that "
    "are watched, in the last seven days. With it, of any that counts or sums, by its key fields.",
    operation_class=documented(_ANOMALIES),
    sync_to_thread=True,
)
def anomalies(request: AnyRequest, context: Context) -> Response[AnomaliesPage]:
    asked = Asked(AnomaliesQuestion, keys_of(context.installation.metrics))
    page = anomalies_page(context.installation, asked.read(request))
    return answer(page, page)


@get(
    f"{ANOMALIES_PATH}/{{anomalyId:str}}",
    summary="One anomaly, and what led up to it",
    description="As it is now: when late events have made it ordinary, it is not there any more. "
    "The events behind it are at `events_url`.",
    operation_class=documented(_ANOMALY),
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


ANOMALY_HANDLERS = (anomalies, one_anomaly)
"""All of them, to be given to the API's router."""
