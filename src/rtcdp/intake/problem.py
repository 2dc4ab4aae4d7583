"""What the collector answers when it doesn't take a request: RFC 9457 problem documents."""

from typing import Literal

from rtcdp.errors import RtcdpError
from rtcdp.problem_document import ProblemDocument, problem_document

RefusalCode = Literal[
    "bad_source",
    "bad_piece",
    "bad_digest",
    "other_digest",
    "unknown_mapping",
    "not_mapped",
    "unknown_parameter",
    "repeated_parameter",
    "body_damaged",
    "byte_order_mark",
    "corrupt_encoding",
    "empty_body",
    "not_events",
    "method_not_allowed",
    "body_timeout",
    "body_too_slow",
    "body_too_large",
    "too_many_events",
    "unknown_encoding",
    "too_many_sources",
    "overloaded",
    "import_under_way",
    "log_unavailable",
    "log_full",
    "log_failed",
    "shutting_down",
]

REFUSALS: dict[RefusalCode, tuple[int, str]] = {
    "bad_source": (400, "the source has no valid name"),
    "bad_piece": (400, "the piece of a recorded file has no valid name"),
    "bad_digest": (400, "the Content-Digest can't be read"),
    "other_digest": (400, "the body is another one than its Content-Digest says"),
    "unknown_mapping": (400, "there is no such mapping"),
    "not_mapped": (400, "the body is no file that the mapping is made for"),
    "unknown_parameter": (400, "the query has a parameter that is not there"),
    "repeated_parameter": (400, "the query has a parameter more than once"),
    "body_damaged": (400, "the body ends early, or its chunks are damaged"),
    "byte_order_mark": (400, "the body starts with a byte order mark"),
    "corrupt_encoding": (400, "the body can't be decompressed"),
    "empty_body": (400, "the body is empty"),
    "not_events": (400, "the body can't be split into events"),
    "method_not_allowed": (405, "only POST is allowed here"),
    "body_timeout": (408, "the body took too long to arrive"),
    "body_too_slow": (408, "the body came too slowly"),
    "body_too_large": (413, "the body is too large"),
    "too_many_events": (413, "the request holds too many events"),
    "unknown_encoding": (415, "the content encoding is not known"),
    "too_many_sources": (429, "there are too many sources"),
    "overloaded": (503, "the collector has too much to do"),
    "import_under_way": (503, "the same file is being imported now"),
    "log_unavailable": (503, "the log can't take events now"),
    "log_full": (503, "the log is full"),
    "log_failed": (503, "the log failed"),
    "shutting_down": (503, "the collector is shutting down"),
}
"""The status of each refusal, and what happened in words."""


class RequestRefused(RtcdpError):
    """A request of which nothing was recorded, and why; or the first part of a recorded file, as
    its hint says then.

    `code` tells programs what the matter is, `hint` tells people what to send or do instead.
    `retry_after_s` is set where the same request may succeed later. `headers` are further ones
    of the answer.
    """

    def __init__(
        self,
        code: RefusalCode,
        hint: str,
        retry_after_s: int | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        self.status, what = REFUSALS[code]
        super().__init__(what, hint)
        self.code = code
        self.retry_after_s = retry_after_s
        self.headers = headers


def document_of(refused: RequestRefused) -> ProblemDocument:
    """The document that tells a client about `refused`."""
    return problem_document(refused.status, str(refused), refused.hint, code=refused.code)
