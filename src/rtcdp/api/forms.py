"""In which form an answer is asked for: by `format` in the address, or by `Accept`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar, cast
from urllib.parse import parse_qsl

from litestar import Response
from litestar.datastructures.headers import Accept

from rtcdp.answers.export import MEDIA_TYPES, ColumnType, Form, Row, exported
from rtcdp.api.context import Page, answer, freshness_headers
from rtcdp.api.query import FORMAT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rtcdp.api.address import AnyRequest

P = TypeVar("P", bound=Page)

_JSON = "application/json"

VARIES: Mapping[str, str] = {"Vary": "Accept"}
"""What an answer says that has several forms."""


def form_of(request: "AnyRequest") -> Form | None:
    """The form to answer in; None for JSON, which is what those get who like nothing that there is.
    The question was read, and `format` with it."""
    query: bytes = request.scope["query_string"]
    given = dict(parse_qsl(query.decode())).get(FORMAT.name)
    if given is not None:
        return next((form for form in MEDIA_TYPES if form == given), None)
    liked = Accept(request.headers.get("accept", _JSON)).best_match([_JSON, *MEDIA_TYPES.values()])
    return next((form for form, media_type in MEDIA_TYPES.items() if media_type == liked), None)


def answer_in(
    form: Form | None,
    page: P,
    table: "Callable[[], tuple[Mapping[str, ColumnType], Sequence[Row]]]",
    name: str,
) -> Response[P]:
    """The page as JSON, or as a file called `name` of the rows and columns that `table` gives.

    A file has no room for what a page says beside its rows: how fresh it is stands in the headers.
    """
    if form is None:
        return answer(page, page, VARIES)
    content = cast("P", exported(form, *table()))
    headers = file_headers(form, page, name)
    return Response(content, media_type=headers.pop("Content-Type"), headers=headers)


def file_headers(form: Form, page: Page, name: str) -> dict[str, str]:
    """What is said of a file: what it is, what to save it as, and how fresh it is."""
    media_type = MEDIA_TYPES[form]
    if form == "csv":
        media_type += "; header=present"
    return {
        **freshness_headers(page),
        **VARIES,
        "Content-Type": media_type,
        "Content-Disposition": f'attachment; filename="{name}.{form}"',
    }
