"""The address where a dead letter is fed in again, as it came or mended."""

from litestar import Response, post
from litestar.params import FromPath, JSONBody

from rtcdp.access.needs import ADMIN
from rtcdp.answers.mending import Mended, ReplayedPage
from rtcdp.answers.question import Nothing
from rtcdp.api.address import AnyRequest
from rtcdp.api.context import Context, answer
from rtcdp.api.documentation import documented
from rtcdp.api.query import Asked

_LETTER = Asked(Nothing)
_BODY_BYTES_MAX = 4 * 2**20


@post(
    "/api/dead-letters/{partition:int}/{offset:int}/replay",
    summary="Feed a dead letter in again, as it came or mended",
    description="`raw` is the event as it should have been sent; without it, it is fed in as it "
    "came. It keeps the event id that it came with, is never late, and counts once however often "
    "it is tried while event ids are remembered. The answer waits a moment to tell what became of "
    "it; one with the status 503 says whether it rests in the log already.",
    operation_class=documented(_LETTER, group="Operate"),
    request_max_body_size=_BODY_BYTES_MAX,
    status_code=200,
    opt=ADMIN,
    sync_to_thread=True,
)
def replay_dead_letter(
    request: AnyRequest,
    context: Context,
    partition: FromPath[int],
    offset: FromPath[int],
    data: JSONBody[Mended],
) -> Response[ReplayedPage]:
    _LETTER.read(request)
    page = context.mender.replay((partition, offset), data)
    return answer(page, page)
