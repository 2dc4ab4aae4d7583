"""Lists as files: all of a list, from its first page to its last, as CSV, JSON lines or Parquet.

Pages are read one by one while the client takes them, so that a list of any length costs the memory
of a page. A Parquet file is written first, to the folder for temporary files, and costs that of
some ten pages. Whoever sends `limit` gets a page as a file, and where the next one is.
"""

import asyncio
import shutil
import tempfile
import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, cast
from urllib.parse import parse_qsl

import msgspec
from litestar import Response
from litestar.response import Stream

from rtcdp.answers.export import (
    ColumnType,
    Form,
    Row,
    csv_head,
    csv_lines,
    exported,
    json_lines,
    write_parquet,
)
from rtcdp.answers.list_rows import rows_of
from rtcdp.answers.windows import PARTIAL
from rtcdp.api.address import AnyRequest, address_of
from rtcdp.api.context import ApiContext, answer, link_to_next
from rtcdp.api.entrance import may_go_on
from rtcdp.api.forms import VARIES, file_headers, form_of
from rtcdp.api.problem import TooManyClients
from rtcdp.errors import RtcdpError

_PIECE_BYTES = 65_536
_LEFT_FREE_BYTES = 64 * 2**20
"""So much of the disk that temporary files are on is left to others."""

_MAGIC = b"PAR1"
"""What every Parquet file begins with."""


class FileCutOff(RtcdpError):
    """The rest of a file is not sent: its client sees that it is not whole."""


@dataclass(frozen=True)
class AskedList:
    """A list that somebody asks for. `page_of` answers a question, `columns` are those that its
    rows may have, and `counted` says what is counted in columns of lists. So many times as many
    items as of others are read at once: `at_once`."""

    name: str
    question: Any
    page_of: Callable[[Any], Any]
    columns: Mapping[str, ColumnType]
    counted: Mapping[str, str] = field(default_factory=dict)
    at_once: int = 1

    def columns_in(self, page: Any) -> Mapping[str, ColumnType]:
        """The columns of a list that begins with this page: rows are partial only where that may
        miss something."""
        may_be_partial = getattr(page, "complete_from", None) is not None
        return {n: kind for n, kind in self.columns.items() if may_be_partial or n != PARTIAL}

    def pages(self, first: Any, goes_on: Callable[[], bool]) -> Iterator[Any]:
        """All pages. Raises `FileCutOff` when it is not to go on, and what pages raise."""
        page = first
        yield page
        while page.next_cursor is not None:
            if not goes_on():
                raise FileCutOff(f"{self.name} is not sent any further")
            question = msgspec.structs.replace(self.question, cursor=page.next_cursor)
            page = self.page_of(question)
            yield page


def list_answer(request: AnyRequest, context: ApiContext, asked: AskedList) -> Response[Any]:
    """A page as JSON, or the list as the file that the request asks for.

    Raises what pages raise, and `TooManyClients` where too many files are being sent.
    """
    form = form_of(request)
    if form is None:
        page = asked.page_of(asked.question)
        return answer(page, page, VARIES)
    is_one_page = "limit" in dict(parse_qsl(request.scope["query_string"].decode()))
    is_paged = hasattr(asked.question, "cursor")
    if is_paged and not is_one_page:
        question = msgspec.structs.replace(
            asked.question, limit=context.limits.file_rows * asked.at_once
        )
        asked = replace(asked, question=question)
    first = asked.page_of(asked.question)
    headers = file_headers(form, first, asked.name)
    media_type = headers.pop("Content-Type")
    cursor = first.next_cursor if is_paged else None
    if cursor is None or is_one_page:
        content = _whole(form, asked, first)
        headers |= link_to_next(address_of(request), cursor)
        return Response(content, media_type=media_type, headers=headers)
    limit = context.limits.files
    if context.files.under_way >= limit:
        raise TooManyClients(
            f"{limit} long files are being sent, which is the limit",
            "try again later, or read pages with limit and cursor",
        )
    sent = _sent(context, form, asked, first, may_go_on(request))
    return cast("Response[Any]", Stream(sent, media_type=media_type, headers=headers))


def _whole(form: Form, asked: AskedList, page: Any) -> bytes:
    if form == "jsonl":
        return json_lines(page.items)
    return exported(form, asked.columns_in(page), list(rows_of(page.items)))


async def _sent(
    context: ApiContext, form: Form, asked: AskedList, first: Any, may_have: Callable[[], bool]
) -> AsyncGenerator[bytes]:
    """The file in pieces. It ends early, so that its client sees it, when the server stops, when
    the client may not have it any more, and when it takes the file too slowly."""
    is_read = threading.Event()
    pages = asked.pages(
        first, lambda: may_have() and not context.stop.is_set() and not is_read.is_set()
    )
    columns, pace = asked.columns_in(first), context.files.pace
    clock = asyncio.get_running_loop().time
    sent_bytes, taken_s = 0, 0.0
    with context.files.one():
        try:
            async with aclosing(_pieces(context, form, asked, columns, pages)) as pieces:
                async for piece in pieces:
                    began_s = clock()
                    yield piece
                    # Only what the client takes: finding the next rows may be long.
                    taken_s += clock() - began_s
                    sent_bytes += len(piece)
                    due_s = pace.answer_grace_s + sent_bytes / pace.min_answer_bytes_per_s
                    if taken_s > due_s:
                        raise FileCutOff(f"{asked.name} is read too slowly")
        finally:
            is_read.set()


async def _pieces(
    context: ApiContext,
    form: Form,
    asked: AskedList,
    columns: Mapping[str, ColumnType],
    pages: Iterator[Any],
) -> AsyncGenerator[bytes]:
    """The file, from what is known at once on: others have the turn from then on."""
    read = context.files.read
    if form == "parquet":
        yield _MAGIC
        with tempfile.TemporaryFile() as file:
            await read(write_parquet, file, columns, _parts(asked, pages), asked.counted)
            file.seek(len(_MAGIC))
            while piece := await read(file.read, _PIECE_BYTES):
                yield piece
        return
    yield csv_head(columns) if form == "csv" else b""
    while (lines := await read(_next_lines, form, columns, pages)) is not None:
        for start in range(0, len(lines), _PIECE_BYTES):
            yield lines[start : start + _PIECE_BYTES]


def _parts(asked: AskedList, pages: Iterator[Any]) -> Iterator[Sequence[Row]]:
    """The rows of each page, for as long as there is room for them on the disk."""
    for page in pages:
        if shutil.disk_usage(tempfile.gettempdir()).free < _LEFT_FREE_BYTES:
            raise FileCutOff(f"{asked.name} has no room: free some of {tempfile.gettempdir()}")
        yield list(rows_of(page.items))


def _next_lines(
    form: Form, columns: Mapping[str, ColumnType], pages: Iterator[Any]
) -> bytes | None:
    page = next(pages, None)
    if page is None:
        return None
    return json_lines(page.items) if form == "jsonl" else csv_lines(columns, rows_of(page.items))
