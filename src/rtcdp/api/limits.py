"""What clients of the HTTP server may cost. Data alone, like `rtcdp.admission.rules`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ApiLimits:
    """What one client may cost.

    `live_clients` streams at once; a tick every `live_every_ms`. `files` of lists at once that are
    longer than the `file_rows` that are read of them at a time; of Parquet files some ten times as
    many are held. A drill-down request reads at most
    `events_bytes` of the log, in slices of `slice_bytes`. `ready_lag_ms` is how far behind
    the server may be and still call itself ready, and `ready_stall_ms` for how long records may
    wait without any being counted. Recommendations are made of the sessions of the last
    `history_days`, of the newest `history_sessions` at most; `held_out_percent` of all users are
    held out, and get what is popular, or, if `held_out_get_nothing`, nothing.
    """

    live_clients: int = 500
    live_every_ms: int = 500
    files: int = 4
    file_rows: int = 1000
    events_bytes: int = 8 * 2**20
    slice_bytes: int = 2**20
    ready_lag_ms: int = 60_000
    ready_stall_ms: int = 1_500
    history_days: int = 30
    history_sessions: int = 1_000_000
    held_out_percent: int = 0
    held_out_get_nothing: bool = False


@dataclass(frozen=True)
class HttpLimits:
    """What all connections and answers together may cost.

    `max_connections` are taken at once; a further one waits until one ends. A request's headers
    have to come within `header_timeout_s`, a question's body once more within that, and a
    connection may rest so long between two requests; headers may be `max_header_bytes` long. A
    client that takes no byte of what was sent to it for `write_timeout_s` is cut off.

    `max_answers` are worked out at once, `max_waiting_answers` wait for that. Beyond: 503. Answers
    that are longer than a slice are sent by and by, and together hold `max_answer_bytes`; when
    there is no room for another one, the slowest gives way, or else it waits for `patience_s`.
    Beyond: 503. After `answer_grace_s` such an answer, or a file of a list, has to be read at
    `min_answer_bytes_per_s`.
    """

    max_connections: int = 8_000
    header_timeout_s: float = 10.0
    max_header_bytes: int = 32_768
    write_timeout_s: float = 20.0
    max_answers: int = 2
    max_waiting_answers: int = 64
    max_answer_bytes: int = 48 * 2**20
    patience_s: float = 5.0
    answer_grace_s: float = 10.0
    min_answer_bytes_per_s: int = 65_536
