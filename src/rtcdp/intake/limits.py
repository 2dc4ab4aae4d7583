"""How much the collector takes. Every limit has a name; none is a loss when it is reached."""

from dataclasses import dataclass

from rtcdp.log.limits import MAX_SOURCES


@dataclass(frozen=True)
class CollectorLimits:
    """The bounds of the intake.

    One request: `max_body_bytes` as it comes over the wire, `max_decompressed_bytes` after the
    content encoding is taken off, `max_events_per_request`, `max_members_per_body` concatenated
    gzip members, `max_array_commas` in a JSON array (what a splitter may have to hold), and
    `max_torn_array_bytes` for an array that is not JSON as a whole. Beyond: 413.
    `body_timeout_s` is how long a client may take to send its body; after `body_grace_s` it has to
    have sent `min_body_bytes_per_s` on the average. Beyond: 408.

    One recorded file: `max_import_bytes` of text, after the content encoding is taken off (0: any).
    Beyond: 413, and what came before is taken. `max_imports` files at once. Beyond: 503.

    All requests together: `max_pending_bytes` of bodies and of records that wait for the log (when
    a body finds no room, the slowest of those that are still on their way gives way, with 408), and
    `max_pending_requests` that wait. Beyond: 503. `max_sources` source names. Beyond: 429.
    `sources` are always taken (names with commas in between); others are learned, not more than
    `new_sources_per_hour` (0: none). Beyond: 429.
    `retry_after_s` is what such answers tell the client to wait.

    Rejected events of one request are dead letters of their own up to `max_dead_letters` for each
    reason, and `max_dead_letter_bytes` in all; a summary of each reason stands for the others.
    Of a single one four times the length of the longest event is kept. The answer names the first
    `max_rejections_named`.

    `max_group_bytes` ends a commit group; `max_recent_ids` are remembered to count duplicates for
    the answer, for at most `dedup_window_ms`, if their events are not late by
    `allowed_lateness_ms` nor ahead by `max_clock_skew_ms`. Bodies longer than `max_inline_bytes`
    are decoded by one of `decoder_threads` threads, so that they don't hold up the others.
    """

    max_body_bytes: int = 4 * 2**20
    max_decompressed_bytes: int = 16 * 2**20
    max_events_per_request: int = 10_000
    max_members_per_body: int = 1_000
    max_array_commas: int = 1_000_000
    max_torn_array_bytes: int = 2**20
    body_timeout_s: float = 30.0
    body_grace_s: float = 5.0
    min_body_bytes_per_s: int = 4_096
    max_pending_bytes: int = 64 * 2**20
    max_pending_requests: int = 4_096
    max_sources: int = MAX_SOURCES
    sources: str = ""
    new_sources_per_hour: int = 20
    retry_after_s: int = 1
    max_dead_letters: int = 100
    max_dead_letter_bytes: int = 2**20
    max_rejections_named: int = 100
    max_group_bytes: int = 16 * 2**20
    max_recent_ids: int = 1_000_000
    dedup_window_ms: int = 3_600_000
    max_clock_skew_ms: int = 300_000
    allowed_lateness_ms: int = 600_000
    max_inline_bytes: int = 128 * 1024
    decoder_threads: int = 2
    max_import_bytes: int = 0
    max_imports: int = 4

    @property
    def declared_sources(self) -> frozenset[str]:
        """The names in `sources`."""
        return frozenset(name.strip() for name in self.sources.split(",") if name.strip())
