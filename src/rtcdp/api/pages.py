"""Addresses as data: which page stands where, what it is asked, and how it is described."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, get_type_hints

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from rtcdp.access.needs import READ
from rtcdp.answers.question import Nothing
from rtcdp.api.address import AnyRequest, text_in_path
from rtcdp.api.context import ApiContext, Context, Page, answer
from rtcdp.api.documentation import ENDS, Group, documented
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

    def handler(self) -> HTTPRouteHandler:
        """What answers there, to be given to the API's router."""

        def of_name(request: AnyRequest, context: Context, name: FromPath[str]) -> Response[Page]:
            return self._told(request, context, name)

        def of_all(request: AnyRequest, context: Context) -> Response[Page]:
            return self._told(request, context)

        told: Callable[..., Response[Page]] = of_name if _NAME in self.path else of_all
        told.__name__ = self.operation
        page_type: Any = get_type_hints(self.page_of)["return"]
        told.__annotations__["return"] = Response[page_type]
        return get(
            self.path,
            summary=self.summary,
            description=self.description,
            operation_class=documented(self.asked, group=self.group),
            opt=READ,
            sync_to_thread=True,
        )(told)

    def _told(self, request: AnyRequest, context: ApiContext, *names: str) -> Response[Page]:
        asked = self.asked
        if self.asked_now is not None:
            asked = self.asked_now(context.installation, *names)
        question = asked.read(request)
        given: list[Any] = [*names]
        if self.id_is is not None:
            given.append(self._id(request, self.id_is, names))
        if asked.question is not Nothing:
            given.append(question)
        page = self.page_of(context.installation, *given)
        if not self.kept:
            return answer(page, page)
        items = msgspec.json.encode(page.items)  # type: ignore[attr-defined]
        return answer(page, page, {**KEPT, "ETag": tag_of(items)})

    def _id(self, request: AnyRequest, what: str, names: Sequence[str]) -> str:
        before = self.path.rpartition("{")[0]
        for name in names:
            before = before.replace(_NAME, name)
        suffix = ENDS.get(self.path.replace(":str", "").replace(":path", ""), "")
        return text_in_path(request, before, suffix, what)
