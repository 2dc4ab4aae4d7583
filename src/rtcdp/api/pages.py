"""Addresses as data: which page stands where, what it is asked, and how it is described."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args, get_type_hints

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from rtcdp.access.needs import READ
from rtcdp.answers.export import ColumnType
from rtcdp.answers.list_rows import columns_of
from rtcdp.answers.question import Nothing
from rtcdp.api.address import AnyRequest, text_in_path
from rtcdp.api.context import ApiContext, Context, Page, answer
from rtcdp.api.documentation import ENDS, Group, documented
from rtcdp.api.list_files import AskedList, list_answer
from rtcdp.api.manners import KEPT, tag_of
from rtcdp.api.query import Asked

_NAME = "{name:str}"


@dataclass(frozen=True)
class PageAt:
    """A page of `rtcdp.answers` at an address.

    `page_of` is given the installation, what stands in the path for `{name:str}` and for an id at
    its end, which `id_is` says in words, and the question, unless nothing is asked. `asked_now` is
    what may be asked where that depends on the installation, and on the name. A page that is `kept`
    may be held by who asked until its items change. `group` is the heading it is described under.

    A page of a list may be asked for as a file, and so may one that says that it `is_file`.
    `columns` says what its rows have, where that is not what the type of its items says; it is
    given what `page_of` is. `at_once` is how many times as many items as of others are read at
    once for a file, of those that are worked out anew for each page.
    """

    path: str
    operation: str
    page_of: Callable[..., Page]
    asked: Asked[Any]
    summary: str
    description: str | None = None
    id_is: str | None = None
    asked_now: Callable[..., Asked[Any]] | None = None
    kept: bool = False
    group: Group = "Ask"
    is_file: bool = False
    columns: Callable[..., Mapping[str, ColumnType]] | None = None
    at_once: int = 1

    def __post_init__(self) -> None:
        if self.is_list and self.columns is None:
            self._columns_of_items()

    @property
    def is_list(self) -> bool:
        """Whether it can be a file."""
        return self.is_file or "next_cursor" in self._page_type.__struct_fields__

    @property
    def _page_type(self) -> Any:
        return get_type_hints(self.page_of)["return"]

    def handler(self) -> HTTPRouteHandler:
        """What answers there, to be given to the API's router."""

        def of_name(request: AnyRequest, context: Context, name: FromPath[str]) -> Response[Page]:
            return self._told(request, context, name)

        def of_all(request: AnyRequest, context: Context) -> Response[Page]:
            return self._told(request, context)

        told: Callable[..., Response[Page]] = of_name if _NAME in self.path else of_all
        told.__name__ = self.operation
        page_type: Any = self._page_type
        told.__annotations__["return"] = Response[page_type]
        return get(
            self.path,
            summary=self.summary,
            description=self.description,
            operation_class=documented(
                replace(self.asked, is_exported=self.is_list), group=self.group
            ),
            opt=READ,
            sync_to_thread=True,
        )(told)

    def _told(self, request: AnyRequest, context: ApiContext, *names: str) -> Response[Page]:
        asked = self.asked
        if self.asked_now is not None:
            asked = self.asked_now(context.installation, *names)
        question = replace(asked, is_exported=self.is_list).read(request)
        given: list[Any] = [*names]
        if self.id_is is not None:
            given.append(self._id(request, self.id_is, names))
        if self.is_list:
            return self._listed(request, context, given, question)
        if asked.question is not Nothing:
            given.append(question)
        page = self.page_of(context.installation, *given)
        if not self.kept:
            return answer(page, page)
        items = msgspec.json.encode(page.items)  # type: ignore[attr-defined]
        return answer(page, page, {**KEPT, "ETag": tag_of(items)})

    def _listed(
        self, request: AnyRequest, context: ApiContext, given: Sequence[Any], question: Any
    ) -> Response[Page]:
        installation = context.installation
        columns = self.columns or self._columns_of_items
        asked = AskedList(
            name=self.operation,
            question=question,
            page_of=lambda each: self.page_of(installation, *given, each),
            columns=columns(installation, *given, question),
            at_once=self.at_once,
        )
        return list_answer(request, context, asked)

    def _columns_of_items(self, *_: object) -> Mapping[str, ColumnType]:
        (item,) = get_args(get_type_hints(self._page_type)["items"])
        if not (isinstance(item, type) and issubclass(item, msgspec.Struct)):
            raise TypeError(
                f"the items of {self.path} don't say what they have: name the columns of its files"
            )
        return columns_of(item)

    def _id(self, request: AnyRequest, what: str, names: Sequence[str]) -> str:
        before = self.path.rpartition("{")[0]
        for name in names:
            before = before.replace(_NAME, name)
        suffix = ENDS.get(self.path.replace(":str", "").replace(":path", ""), "")
        return text_in_path(request, before, suffix, what)
