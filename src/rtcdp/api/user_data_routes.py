"""The addresses of all that is known of a user: to have it, to have it erased, and how far that
is."""

from collections.abc import AsyncGenerator, Iterator
from typing import Any, cast

import msgspec
from litestar import MediaType, Response, delete, get, route
from litestar.params import FromPath
from litestar.response import Stream

from rtcdp.access.needs import ADMIN, OPEN
from rtcdp.answers.question import Nothing
from rtcdp.answers.user_data import ERASURES_PATH, USER_DATA_PATH, ErasureState, UserData
from rtcdp.api.address import AnyRequest, text_in_path
from rtcdp.api.context import ApiContext, Context
from rtcdp.api.documentation import documented
from rtcdp.api.entrance import who_asks
from rtcdp.api.problem import TooManyClients
from rtcdp.api.query import Asked
from rtcdp.errors import NotThere

_USER = f"{USER_DATA_PATH}{{userId:path}}"
_NOTHING = Asked(Nothing)
_LINES = 200
_ANYBODY = "whoever is on this machine"


# Litestar's own answer names the methods of whichever handler it saw first.
@route(
    _USER,
    http_method=["OPTIONS"],
    status_code=204,
    include_in_schema=False,
    opt=OPEN,
    sync_to_thread=False,
)
def methods_of_user_data() -> Response[None]:
    return Response(None, status_code=204, headers={"Allow": "DELETE, GET, OPTIONS"})


@get(
    _USER,
    summary="All that is known of a user, as JSON lines",
    description="Each record with what became of it, each row of a metric that names them, and "
    "their sessions, funnels, carts, paths and timeline: what an erasure takes out. The log is "
    "read for it, so that the answer takes a while to begin.",
    operation_class=documented(_NOTHING, group="Operate"),
    opt=ADMIN,
    sync_to_thread=True,
    media_type="application/jsonl",
)
def export_user_data(request: AnyRequest, context: Context) -> Response[str]:
    _NOTHING.read(request)
    lines = _of(context).export(_user_id(request))
    limit = context.limits.files
    if context.files.under_way >= limit:
        raise TooManyClients(
            f"{limit} long files are being sent, which is the limit", "try again later"
        )
    # What goes wrong before there is anything to tell is answered as what it is.
    sent = _sent(context, _next_lines(lines), lines)
    return cast("Response[str]", Stream(sent, media_type="application/jsonl"))


@delete(
    _USER,
    summary="Erase a user",
    description="The processor takes the user out of log and store between two of its rounds; "
    "`Location` tells how far that is, and has the signed receipt in the end. It can't be undone. "
    "Asked again while one waits, it is the same one.",
    operation_class=documented(_NOTHING, group="Operate"),
    opt=ADMIN,
    status_code=202,
    sync_to_thread=True,
)
def erase_user_data(request: AnyRequest, context: Context) -> Response[ErasureState]:
    _NOTHING.read(request)
    state = _of(context).erase(_user_id(request), who_asks(request) or _ANYBODY)
    return _told(state, 202)


@get(
    f"{ERASURES_PATH}{{erasureId:str}}",
    summary="How far an erasure is",
    description="`waiting`, `erasing`, `done` with its receipt, or `failed` with what kept it from "
    "being done.",
    operation_class=documented(_NOTHING, group="Operate"),
    opt=ADMIN,
    sync_to_thread=True,
)
def erasure(
    request: AnyRequest,
    context: Context,
    erasureId: FromPath[str],  # noqa: N803 - as the address calls it
) -> Response[ErasureState]:
    _NOTHING.read(request)
    return _told(_of(context).erasure(erasureId), 200)


def _told(state: ErasureState, status: int) -> Response[ErasureState]:
    headers = {"Location": f"{ERASURES_PATH}{state.id}"}
    body = cast("ErasureState", msgspec.json.encode(state))
    return Response(body, status_code=status, media_type=MediaType.JSON, headers=headers)


def _user_id(request: AnyRequest) -> str:
    return text_in_path(request, USER_DATA_PATH, "", "user id")


def _of(context: ApiContext) -> UserData:
    if context.user_data is None:
        raise NotThere(
            "this server knows of no log and no store of its own", "ask the one that rtcdp up runs"
        )
    return context.user_data


async def _sent(context: ApiContext, piece: bytes, lines: Iterator[bytes]) -> AsyncGenerator[bytes]:
    with context.files.one():
        while piece:
            yield piece
            piece = await context.files.read(_next_lines, lines)


def _next_lines(lines: Iterator[bytes]) -> bytes:
    return b"".join(line for _, line in zip(range(_LINES), lines, strict=False))


USER_DATA_HANDLERS: tuple[Any, ...] = (
    methods_of_user_data,
    export_user_data,
    erase_user_data,
    erasure,
)
"""All of them, to be given to the API's router."""
