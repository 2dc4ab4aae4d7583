"""The address of the rules that were in force."""

from litestar import Response, get
from rtcdp.answers.rules_in_force import RulesPage, RulesQuestion, rules_page

from rtcdp.api.address import AnyRequest
from rtcdp.api.context import Context, answer
from rtcdp.api.documentation import documented
from rtcdp.api.query import Asked

_RULES = Asked(RulesQuestion)


@get(
    "/api/rules",
    summary="The rules in force",
    operation_class=documented(_RULES),
    sync_to_thread=True,
)
def rules_in_force(request: AnyRequest, context: Context) -> Response[RulesPage]:
    page = rules_page(context.installation, _RULES.read(request))
    return answer(page, page)
