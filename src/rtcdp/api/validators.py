"""Entity tags of what seldom changes, so that it isn't sent again (RFC 9110, section 8.8.3)."""

from hashlib import sha256
from typing import Any

from litestar import Request, Response

_KEPT = {"Cache-Control": "no-cache"}
"""May be kept, and is asked for again each time."""


def tag_of(content: bytes) -> str:
    """A weak entity tag: the same meaning, in whichever encoding it is sent."""
    return f'W/"{sha256(content).hexdigest()[:16]}"'


def is_known(given: str, tag: str) -> bool:
    """Whether the header If-None-Match names `tag`, which is compared weakly."""
    opaque = tag.removeprefix("W/")
    return any(
        one.strip() == "*" or one.strip().removeprefix("W/") == opaque for one in given.split(",")
    )


def unless_known(
    request: Request[Any, Any, Any], response: Response[Any], tag: str
) -> Response[Any]:
    """`response` with its entity tag; 304 and the headers alone when the client has it already."""
    headers = {**response.headers, **_KEPT, "ETag": tag}
    if is_known(request.headers.get("if-none-match", ""), tag):
        return Response(None, status_code=304, headers=headers)
    response.headers.update(headers)
    return response
