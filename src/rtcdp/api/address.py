"""Addresses as they were sent: the undecoded path tells the slashes of an id from others."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl, quote, unquote, urlencode

from litestar import Request

from rtcdp.errors import BadRequest, NotThere, nearest

if TYPE_CHECKING:
    from litestar.types import Scope

AnyRequest = Request[Any, Any, Any]

_NAMING_USERS = ("{userId", "{sessionId", "{rowId")
"""Ids of sessions and of rows end with whose they are."""


def address_of(request: AnyRequest) -> str:
    """The address that was asked, without its cursor."""
    query: bytes = request.scope["query_string"]
    sent = parse_qsl(query.decode(), keep_blank_values=True)
    kept = [(name, text) for name, text in sent if name != "cursor"]
    path = quote(path_of(request), safe="/%:@!$&'()*+,;=~")
    return f"{path}?{urlencode(kept)}" if kept else path


def noted_path(scope: Any) -> str:
    """A path as it is written down: by its pattern where it names a user, whom logs outlive."""
    pattern: str = scope.get("path_template") or ""
    path: str = scope["path"]
    return pattern if any(each in pattern for each in _NAMING_USERS) else path


def path_of(request: AnyRequest) -> str:
    """The path as it was sent, percent-encoded or in UTF-8. Raises `BadRequest`."""
    raw: bytes = request.scope["raw_path"]
    try:
        return raw.decode().partition("?")[0]
    except UnicodeDecodeError as error:
        raise BadRequest("the address is not UTF-8", "percent-encode it as UTF-8") from error


def meant_address(path: str, patterns: Iterable[str]) -> str | None:
    """The address that was probably meant by a mistyped `path`, segment by segment: those that are
    parameters in the `patterns` of all addresses (`/api/metrics/{name:str}`) stay as they are
    given. None where nothing is near."""
    asked = path.split("/")
    near = [pattern.split("/") for pattern in patterns]
    near = [pattern for pattern in near if len(pattern) == len(asked)]
    meant: list[str] = []
    for place, segment in enumerate(asked):
        words = {pattern[place] for pattern in near if "{" not in pattern[place]}
        chosen = segment if segment in words else nearest(segment, words)
        if chosen is None:
            near = [pattern for pattern in near if "{" in pattern[place]]
        else:
            near = [pattern for pattern in near if pattern[place] == chosen]
        meant.append(segment if chosen is None else chosen)
    found = "/".join(meant)
    return found if near and found != path else None


def with_ids_apart(scope: "Scope") -> "Scope":
    """The scope of a request whose path has percent-encoded slashes: for the router, which would
    take them for its own and leave out those at the end, they stay encoded. Handlers read ids from
    the path as it was sent."""
    raw: bytes = scope.get("raw_path") or b""
    if b"%2f" not in raw and b"%2F" not in raw:
        return scope
    path = raw.partition(b"?")[0].replace(b"%2f", b"%252F").replace(b"%2F", b"%252F")
    return cast("Scope", {**scope, "path": unquote(path.decode("latin-1"), errors="replace")})


def text_in_path(request: AnyRequest, prefix: str, suffix: str, what: str) -> str:
    """The id between the two ends of a path, exactly as it was sent; `what` it is called.

    Raises `NotThere` for another path and an empty id, and `BadRequest` for what is no text.
    """
    path = path_of(request)
    middle = path.removeprefix(prefix)
    if middle == path or not middle.endswith(suffix):
        raise NotThere(f"there is nothing at {path[:200]}", f"ask for {prefix}ID{suffix}")
    try:
        found = unquote(middle.removesuffix(suffix), errors="strict")
    except UnicodeDecodeError as error:
        raise BadRequest(f"the {what} is not UTF-8", "percent-encode it as UTF-8") from error
    if not found:
        raise NotThere(f"the {what} is empty", f"ask for {prefix}ID{suffix}")
    if "\0" in found:
        raise BadRequest(f"the {what} holds the character U+0000", "no event has it")
    return found
