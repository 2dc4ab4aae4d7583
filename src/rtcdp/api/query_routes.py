"""The address of queries: metrics by any time and by what their keys tell apart."""

from collections.abc import Sequence

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from rtcdp.access.needs import READ
from rtcdp.answers.query import QueryPage, QueryQuestion, query_page, types_of
from rtcdp.api.address import AnyRequest
from rtcdp.api.context import Context
from rtcdp.api.documentation import documented
from rtcdp.api.forms import answer_in, form_of
from rtcdp.api.query import Asked
from rtcdp.definitions import Metric

QUERY_PATH = "/api/query"


def asked_of(metrics: Sequence[Metric]) -> Asked[QueryQuestion]:
    """What queries of these metrics may be asked."""
    names = dict.fromkeys(name for metric in metrics for name in metric.key_names)
    filters = {name: f"of this {name}, where all metrics are counted by it" for name in names}
    return Asked(QueryQuestion, filters, is_exported=True)


def query_handler(metrics: Sequence[Metric]) -> HTTPRouteHandler:
    """The route, described by the fields that `metrics` are keyed by."""

    @get(
        QUERY_PATH,
        summary="Metrics by hour, day, week or month, and by what their keys tell apart",
        description="Put together from the windows of the metrics, and exact: a user who came on "
        "two days is one user of the week. `from` and `to` are widened to whole windows. What "
        "can't be put together is refused, and the answer says what to ask for instead.",
        operation_class=documented(asked_of(metrics)),
        opt=READ,
        sync_to_thread=True,
    )
    def query(request: AnyRequest, context: Context) -> Response[QueryPage]:
        # What metrics there are may have changed since the server began.
        question = asked_of(context.installation.metrics).read(request)
        page = query_page(context.installation, question)
        return answer_in(form_of(request), page, lambda: (types_of(page), page.items), "query")

    return query
