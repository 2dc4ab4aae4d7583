"""`/js/rtcdp.js`: what web pages embed to send what happens on them."""

from hashlib import sha256
from importlib.resources import files

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from rtcdp.access.needs import EMBED

SNIPPET_PATH = "/js/rtcdp.js"

_KEPT_S = 3_600
_HEADERS = {
    "Cache-Control": f"public, max-age={_KEPT_S}",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
}


def snippet_routes() -> list[HTTPRouteHandler]:
    """The script, read once, here."""
    script = (files(__package__) / "rtcdp.js").read_bytes()
    headers = {**_HEADERS, "ETag": f'W/"{sha256(script).hexdigest()[:16]}"'}

    @get(SNIPPET_PATH, include_in_schema=False, opt=EMBED, sync_to_thread=False)
    def snippet() -> Response[bytes]:
        return Response(script, media_type="text/javascript", headers=headers)

    return [snippet]
