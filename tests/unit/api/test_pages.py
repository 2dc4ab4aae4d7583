"""A page answers where it says, with what stands in the path and what is asked."""

from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Litestar, Router
from litestar.di import Provide
from litestar.testing import TestClient

from rtcdp.answers.freshness import Installation
from rtcdp.answers.question import Limit, Nothing
from rtcdp.api.context import ApiContext
from rtcdp.api.pages import PageAt
from rtcdp.api.problem import exception_handlers
from rtcdp.api.query import Asked

AS_OF = "2026-01-01T00:00:00.000Z"


class Few(msgspec.Struct, frozen=True, kw_only=True):
    limit: Limit = 7


class Told(msgspec.Struct):
    items: list[Any]
    complete_from: str | None = None
    as_of: str | None = AS_OF
    lag_ms: int | None = 0
    warning: str | None = None


def told(installation: Installation, *given: Any) -> Told:
    assert isinstance(installation, Installation)
    return Told([each.limit if isinstance(each, Few) else each for each in given], AS_OF)


def api_of(context: ApiContext, page: PageAt) -> TestClient[Litestar]:
    provided = {"context": Provide(lambda: context, sync_to_thread=False)}
    router = Router("/", route_handlers=[page.handler()], dependencies=provided)
    return TestClient(
        Litestar([router], exception_handlers=exception_handlers, logging_config=None)
    )


def test_a_page_is_given_the_name_the_id_and_the_question(
    make_context: Callable[..., ApiContext],
) -> None:
    page = PageAt("/of/{name:str}/{id:path}", "one", told, Asked(Few), "One", id_is="id")
    with api_of(make_context(), page) as api:
        answer = api.get("/of/a/b%2Fc/d?limit=3")
        assert answer.json()["items"] == ["a", "b/c/d", 3]
        assert answer.headers["x-as-of"] == answer.headers["x-complete-from"] == AS_OF
        assert api.get("/of/a/b?limit=0").status_code == 400


def test_a_page_that_is_asked_nothing_is_given_none(
    make_context: Callable[..., ApiContext],
) -> None:
    with api_of(make_context(), PageAt("/all", "every", told, Asked(Nothing), "All")) as api:
        answer = api.get("/all")
        assert (answer.json()["items"], "etag" in answer.headers) == ([], False)
        assert api.get("/all?limit=1").status_code == 400


def test_what_may_be_asked_may_depend_on_the_name(make_context: Callable[..., ApiContext]) -> None:
    def asked_now(installation: Installation, name: str) -> Asked[Any]:
        del installation
        return Asked(Few if name == "few" else Nothing)

    page = PageAt("/of/{name:str}", "one", told, Asked(Few), "One", asked_now=asked_now)
    with api_of(make_context(), page) as api:
        assert api.get("/of/few?limit=2").json()["items"] == ["few", 2]
        assert api.get("/of/none?limit=2").status_code == 400


def test_who_keeps_a_page_knows_it_again_by_its_items(
    make_context: Callable[..., ApiContext],
) -> None:
    page = PageAt("/all/{name:str}", "every", told, Asked(Few), "All", kept=True)
    with api_of(make_context(), page) as api:
        tags = [api.get(f"/all/{name}").headers["etag"] for name in ("a", "b", "a")]
        assert tags[0] == tags[2] != tags[1]
