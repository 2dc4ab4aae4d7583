"""Sends lines to a collector over HTTP, again and again until each is answered for.

A repeated request carries the same bytes, hence the same event ids, so a line that had arrived
before the connection broke is a duplicate and counts once.
"""

import ipaddress
import logging
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import quote

import httpx
import msgspec

from rtcdp.clock import Clock
from rtcdp.errors import PartMissing, RtcdpError, UsageError
from rtcdp.events.judged import Run
from rtcdp.log.limits import DEFAULT_SOURCE
from rtcdp.log.piece import Piece
from rtcdp.sources.pause import Pause
from rtcdp.sources.sinks import Receipt
from rtcdp.telemetry import Troubles

EVENTS_PATH = "/v1/events"
IMPORT_PATH = "/v1/import"
PRODUCTS_PATH = "/v1/product-updates"

_log = logging.getLogger(__name__)

_PIECE_HEADER = "Rtcdp-Piece"
_NAME_LENGTH_MAX = 60
_TOLD_AFTER_S = 2.0
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_BYTE_ORDER_MARK_STARTS = (b"\xef", b"\xfe", b"\xff")
_HINTS = {
    401: "Give a key with the scope write in the environment, as RTCDP_KEY.",
    403: "Give a key with the scope write in the environment, as RTCDP_KEY.",
    404: "Check the address: it must be that of an rtcdp collector.",
}


class CollectorUnreachable(PartMissing):
    """No collector answers at that address, or none that takes events, for longer than allowed."""


class CollectorRefused(RtcdpError):
    """The collector answered that it won't take the request, and asking again won't help."""


@dataclass(frozen=True)
class SenderLimits:
    """`max_lines` and `max_body_bytes` of a request (one longer line goes alone).

    A request is repeated until `patience_s` have passed since its first try; before a collector
    has ever answered, until `first_patience_s` have. Between tries the sender waits as long as
    Retry-After says, else `backoff_s`, doubled each time up to `max_backoff_s`. `timeout_s` is
    how long one try may wait for its answer.
    """

    max_lines: int = 5_000
    max_body_bytes: int = 2 * 2**20
    first_patience_s: float = 5.0
    patience_s: float = 60.0
    backoff_s: float = 0.05
    max_backoff_s: float = 2.0
    timeout_s: float = 30.0


@dataclass(frozen=True, kw_only=True)
class CollectorAddress:
    """Where to send: `base_url` like http://127.0.0.1:8081, and `EVENTS_PATH` for what happens
    now or `IMPORT_PATH` for history. `source` is the name that the ledger lists the events under
    (None: the collector's default). `api_key`, or what it gives for each request, goes along as a
    bearer token. `certificate`, a PEM file, is that of a server that is reached by another name
    than stands in it.

    Raises `UsageError` if `base_url` is no http or https address.
    """

    base_url: str
    path: str = EVENTS_PATH
    source: str | None = None
    api_key: str | Callable[[], str] | None = field(default=None, repr=False)
    certificate: Path | None = None

    def __post_init__(self) -> None:
        self.url()

    def url(self) -> httpx.URL:
        """The whole address of the requests."""
        hint = "Give one like http://127.0.0.1:8081."
        try:
            url = httpx.URL(self.base_url.rstrip("/") + self.path)
        except httpx.InvalidURL as error:
            raise UsageError(f"{self.base_url!r} is no address: {error}", hint) from error
        if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
            raise UsageError(f"{self.base_url!r} is no http address", hint)
        return url if self.source is None else url.copy_merge_params({"source": self.source})


class _Answer(msgspec.Struct):
    """What is needed of the collector's answer. Its three numbers add up to the events sent."""

    accepted: int
    duplicates: int
    rejected: list[msgspec.Raw]
    rejected_count: int = 0


class _KnownPiece(msgspec.Struct):
    key: str
    bytes: int


class _Known(msgspec.Struct):
    pieces: list[_KnownPiece]


class HttpSink:
    """Sends lines as NDJSON to a collector. Use it from one thread."""

    piece_bytes = 256 * 1024

    def __init__(
        self,
        address: CollectorAddress,
        clock: Clock,
        pause: Pause,
        limits: SenderLimits | None = None,
    ) -> None:
        self._url = address.url()
        self._clock = clock
        self._pause = pause
        self._limits = limits or SenderLimits()
        self._client = httpx.Client(
            headers={"Content-Type": "application/x-ndjson"},
            auth=_with_key(address.api_key),
            verify=_verified(address.certificate),
            timeout=self._limits.timeout_s,
            trust_env=not _is_loopback(self._url.host),
        )
        self.source = address.source or DEFAULT_SOURCE
        self._answered = False
        self._stopped = False
        self._knows_pieces = address.path == IMPORT_PATH
        self._retries = 0
        self._troubles = Troubles(_log, clock)

    def write(self, lines: Sequence[bytes]) -> Receipt:
        """Send the lines, in order, and return when each has been answered for.

        Raises `CollectorUnreachable` when there is no answer for too long, `CollectorRefused` when
        the collector won't have it. When `pause` says stop, the rest is reported as unconfirmed.
        """
        receipt = Receipt()
        for batch in self._batches(lines):
            receipt += self._deliver(batch)
        return receipt

    def write_runs(self, runs: Sequence[Run], piece: Piece | None) -> Receipt:
        """The same for the records of runs, which go in one request if they are a `piece`: the
        collector takes that in once."""
        lines = [record for run in runs for record in run.records()]
        return self.write(lines) if piece is None or not lines else self._deliver(lines, piece)

    def pieces_after(self, key: str) -> Sequence[Piece]:
        """The pieces that the collector has taken in and that follow the text which `key` names;
        none if it keeps no account of them. Raises what `write` raises."""
        if not self._knows_pieces:
            return ()
        answer = self._ask(b"", 0, {_PIECE_HEADER: f"after={key}"})
        if answer is None or answer.status_code == 400:
            self._knows_pieces = False
            return ()
        try:
            known = msgspec.json.decode(answer.content, type=_Known)
        except msgspec.DecodeError:
            self._knows_pieces = False
            return ()
        return [Piece(key, piece.key, piece.bytes) for piece in known.pieces]

    def close(self) -> None:
        self._client.close()

    def _batches(self, lines: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
        first = size = 0
        for position, line in enumerate(lines):
            size += len(line) + 1
            full = size > self._limits.max_body_bytes or position - first >= self._limits.max_lines
            if full and position > first:
                yield lines[first:position]
                first, size = position, len(line) + 1
        if first < len(lines):
            yield lines[first:]

    def _deliver(self, lines: Sequence[bytes], piece: Piece | None = None) -> Receipt:
        retries_before = self._retries
        answer = self._ask(_body(lines), len(lines), _header_of(piece))
        retries = self._retries - retries_before
        if answer is None:
            return Receipt(unconfirmed=len(lines), retries=retries)
        if answer.status_code == 413:
            return self._halves(lines, piece) + Receipt(retries=retries)
        if not answer.is_success:
            raise self._refused(answer)
        return self._receipt(answer, len(lines), retries)

    def _ask(self, body: bytes, lines: int, headers: Mapping[str, str]) -> httpx.Response | None:
        """Send a request until it has an answer, good or bad, that asking again would not change;
        None when told to stop."""
        began_s = self._clock.monotonic()
        retries = 0
        while not self._stopped:
            outcome = self._try(body, headers)
            if isinstance(outcome, httpx.Response):
                self._answered = True
                if outcome.is_success:
                    self._troubles.over()
                    return outcome
                if outcome.status_code == 413 and lines == 1:
                    raise self._refused(outcome)
                if outcome.status_code not in _PASSING:
                    return outcome
            delay_s = self._delay_s(outcome, retries)
            patience_s = self._patience_s()
            if self._clock.monotonic() - began_s + delay_s > patience_s:
                raise self._unreachable(outcome, f" within {patience_s:g} s")
            if self._clock.monotonic() - began_s >= _TOLD_AFTER_S:
                self._troubles.tell(f"{self._unreachable(outcome)}; trying again")
            self._stopped = self._pause(delay_s)
            retries += 1
            self._retries += not self._stopped
        return None

    def _try(self, body: bytes, headers: Mapping[str, str]) -> httpx.Response | httpx.RequestError:
        try:
            return self._client.post(self._url, content=body, headers=headers)
        except httpx.RequestError as error:
            return error

    def _halves(self, lines: Sequence[bytes], piece: Piece | None) -> Receipt:
        # A piece is known when its last part has arrived; until then its ids are.
        middle = len(lines) // 2
        return self._deliver(lines[:middle]) + self._deliver(lines[middle:], piece)

    def _receipt(self, response: httpx.Response, lines: int, retries: int) -> Receipt:
        try:
            answer = msgspec.json.decode(response.content, type=_Answer)
        except msgspec.DecodeError as error:
            raise CollectorRefused(
                f"{self._url} answered {response.status_code} with something else than a receipt",
                _HINTS[404],
            ) from error
        receipt = Receipt(
            accepted=answer.accepted,
            duplicates=answer.duplicates,
            rejected=max(answer.rejected_count, len(answer.rejected)),
            retries=retries,
        )
        if receipt.sent != lines:
            raise CollectorRefused(
                f"{self._url} answered for {receipt.sent} events and was sent {lines}",
                "Update rtcdp on both sides to the same version.",
            )
        return receipt

    def _patience_s(self) -> float:
        return self._limits.patience_s if self._answered else self._limits.first_patience_s

    def _delay_s(self, outcome: httpx.Response | httpx.RequestError, retries: int) -> float:
        if isinstance(outcome, httpx.Response) and "Retry-After" in outcome.headers:
            asked_s = _retry_after_s(outcome.headers["Retry-After"], self._clock.now_ms())
            if asked_s is not None:
                return asked_s
        doubled = self._limits.backoff_s * 2 ** min(retries, 20)
        return float(min(doubled, self._limits.max_backoff_s))

    def _unreachable(
        self, outcome: httpx.Response | httpx.RequestError, when: str = ""
    ) -> CollectorUnreachable:
        if isinstance(outcome, httpx.Response):
            return CollectorUnreachable(
                f"the collector at {self._url} took no events{when}: {_problem(outcome)}",
                "Look at its log and its disk, then send again: what was taken is not counted "
                "twice.",
            )
        return CollectorUnreachable(
            f"no answer from {self._url}{when}: {outcome or type(outcome).__name__}",
            "Start a collector there (rtcdp up), or name another address with --to.",
        )

    def _refused(self, response: httpx.Response) -> CollectorRefused:
        status = response.status_code
        return CollectorRefused(
            f"{self._url} refused the events: {_problem(response)}",
            _HINTS.get(status, "Change what the answer names, then send again."),
        )


def _with_key(
    api_key: str | Callable[[], str] | None,
) -> Callable[[httpx.Request], httpx.Request] | None:
    if api_key is None:
        return None

    def shown(request: httpx.Request) -> httpx.Request:
        token = api_key if isinstance(api_key, str) else api_key()
        if token:
            request.headers["Authorization"] = f"Bearer {token}"
        return request

    return shown


def _verified(certificate: Path | None) -> ssl.SSLContext | bool:
    if certificate is None:
        return True
    context = ssl.create_default_context(cafile=str(certificate))
    context.check_hostname = False
    return context


def _is_loopback(host: str) -> bool:
    """True for addresses that are never behind a proxy, whatever the environment says."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _header_of(piece: Piece | None) -> dict[str, str]:
    if piece is None:
        return {}
    named = f"after={piece.after}; key={piece.key}; bytes={piece.byte_count}"
    name = quote(piece.name[:_NAME_LENGTH_MAX], safe="")
    return {_PIECE_HEADER: f"{named}; name={name}" if name else named}


def _body(lines: Sequence[bytes]) -> bytes:
    body = b"\n".join(lines) + b"\n"
    # A body may not start with a byte order mark; a bad line may. A blank line says nothing.
    return b"\n" + body if body.startswith(_BYTE_ORDER_MARK_STARTS) else body


def _retry_after_s(header: str, now_ms: int) -> float | None:
    """Seconds that a Retry-After header asks for: a number, or a date (RFC 9110)."""
    if header.strip().isdecimal():
        return float(header)
    try:
        date = parsedate_to_datetime(header)
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, date.timestamp() - now_ms / 1000)


def _problem(response: httpx.Response) -> str:
    """What a problem document says, on one line."""
    try:
        problem = response.json()
    except ValueError:
        problem = None
    said = ""
    if isinstance(problem, dict):
        told = (problem.get(key) for key in ("title", "detail", "hint"))
        said = ": ".join(str(part) for part in told if part)
    said = said or response.text[:200]
    return f"{response.status_code} {' '.join(said.split())}".strip()
