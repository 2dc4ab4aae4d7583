"""The body of every error: a problem document (RFC 9457)."""

from http import HTTPStatus

import msgspec

PROBLEM_JSON = "application/problem+json"

PROBLEM_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""Of every error: it may be gone in a moment, and what a client sent stands in it as text."""


class ProblemDocument(msgspec.Struct, frozen=True):
    """What went wrong. `title` is the status in words, `detail` says what is wrong, `hint` what to
    do about it, and `code` tells programs which of the reasons for the status it is."""

    type: str
    title: str
    status: int
    detail: str
    hint: str
    code: str


def problem_document(status: int, detail: str, hint: str, *, code: str = "") -> ProblemDocument:
    """The document for `status`; `code` is the status in words where it has no finer reasons."""
    title = HTTPStatus(status).phrase
    return ProblemDocument(
        type="about:blank",
        title=title,
        status=int(status),
        detail=detail,
        hint=hint,
        code=code or title.lower().replace(" ", "_"),
    )
