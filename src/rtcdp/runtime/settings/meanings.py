"""What each setting means, and which numbers it takes. Data alone, which settings are read by."""

from rtcdp.access.rules import FROM_ZERO as ACCESS_FROM_ZERO
from rtcdp.access.rules import MEANINGS as ACCESS_MEANINGS
from rtcdp.ip_addresses import MEANINGS as PRIVACY_MEANINGS
from rtcdp.log.limits import MAX_SOURCES
from rtcdp.telemetry import FROM_ZERO as TELEMETRY_FROM_ZERO
from rtcdp.telemetry import MEANINGS as TELEMETRY_MEANINGS

MEANINGS: dict[str, str] = {
    "data_dir": "The folder that everything of this installation is kept in.",
    "log": "Where events rest: embedded:DIR or kafka://HOST:PORT/TOPIC. Else DATA_DIR/log.",
    "store": "Where answers rest: sqlite:FILE, postgresql://…, mongodb://…, or DATA_DIR/store.db.",
    "engine": "What computes the answers: native or spark.",
    "catalog": "A folder with metrics and folds of your own.",
    "folds": "Which folds run: all, none, or their names with commas in between.",
    "host": "The address to listen on.",
    "port": "The port to listen on; 0 takes a free one.",
    "trust_network": "Listen where others can reach it though there are no keys: they may do all.",
    "allowed_hosts": "Further names that the server goes by, with commas; localhost always works.",
    "allowed_origins": "Web origins whose pages may read and write, with commas: "
    "https://shop.example.",
    "log_format": "How what happens is told: text, or json with one object a line.",
    "rate": "Events per second that the generator makes.",
    "users": "Different users that the generator makes.",
    **ACCESS_MEANINGS,
    "admission.max_clock_skew_ms": "How far an event's time may lie after its intake.",
    "admission.allowed_lateness_ms": "How far an event's time may lie before its intake.",
    "admission.dedup_window_ms": "How long an event id is remembered, in intake time.",
    "collector.max_body_bytes": "The longest body of a request, as it comes over the wire.",
    "collector.max_decompressed_bytes": "The longest body after it was decompressed.",
    "collector.max_events_per_request": "How many events one request may hold.",
    "collector.max_members_per_body": "How many gzip members one body may be joined from.",
    "collector.max_array_commas": "How many commas a JSON array may hold.",
    "collector.max_torn_array_bytes": "The longest array that is split though it is not JSON.",
    "collector.body_timeout_s": "How long a client may take to send its body.",
    "collector.body_grace_s": "After how long a body has to have come fast enough.",
    "collector.min_body_bytes_per_s": "How fast that is.",
    "collector.max_pending_bytes": "What all requests that wait may hold together.",
    "collector.max_pending_requests": "How many requests may wait for the log.",
    "collector.max_sources": f"How many sources are taken, {MAX_SOURCES} at most.",
    "collector.sources": "Sources that are always taken, with commas in between.",
    "collector.new_sources_per_hour": "How many other sources are learned in an hour; 0: none.",
    "collector.retry_after_s": "What a refused client is told to wait.",
    "collector.max_dead_letters": "Rejected events of a request that are kept, for each reason.",
    "collector.max_dead_letter_bytes": "How much of the rejected events of a request is kept.",
    "collector.max_rejections_named": "How many rejected events an answer names.",
    "collector.max_group_bytes": "Where a group of requests that is committed together ends.",
    "collector.max_recent_ids": "How many ids are remembered to name duplicates in answers.",
    "collector.max_inline_bytes": "Longer bodies are decoded by a thread of their own.",
    "collector.decoder_threads": "How many threads decode long bodies.",
    "collector.max_import_bytes": "The most text that one recorded file may hold; 0: any.",
    "collector.max_imports": "How many recorded files are taken in at once.",
    "processor.max_batch_bytes": "How much of the log one epoch takes.",
    "processor.max_fetched_batch_bytes": "The same of a topic, if that is less.",
    "processor.max_fold_batch_bytes": "How much of the log one epoch takes where folds run.",
    "processor.epoch_every_s": "The shortest time from one epoch to the next.",
    "processor.poll_s": "The longest sleep while the log is at rest.",
    "processor.retry_s": "The pause before a commit is tried again.",
    "processor.seen_ids_capacity": "How many event ids are remembered; 40 bytes each.",
    "processor.expire_every_s": "How often old data is deleted.",
    "processor.erase_again_every_s": "How often erased users' old events leave the log at most.",
    "processor.lease_ttl_s": "How long a store is kept for a processor that is gone; 3 or more.",
    "processor.shards": "Into how many shards the log is divided, for several processors; 1: none.",
    "api.live_clients": "How many clients may follow the live stream at once.",
    "api.live_every_ms": "How often the live stream ticks.",
    "api.files": "How many files of long lists may be sent at once.",
    "api.file_rows": "How many rows of them are read at a time; of Parquet ten times as many held.",
    "api.events_bytes": "How much of the log a look at single events may read.",
    "api.slice_bytes": "How much of it is read at a time.",
    "api.ready_lag_ms": "How far behind the server may be and still call itself ready.",
    "api.ready_stall_ms": "How long records may wait while none is counted, and it is ready.",
    "api.history_days": "How far back recommendations look.",
    "api.history_sessions": "Of how many sessions they are made at most: the newest.",
    "api.held_out_percent": "How many users get none, to compare the others with.",
    "api.held_out_get_nothing": "They get nothing then, and not what is popular.",
    "http.max_connections": "How many connections are taken at once.",
    "http.header_timeout_s": "How long headers may take, and a connection may rest.",
    "http.max_header_bytes": "How long the headers of a request may be; 8192 at least.",
    "http.write_timeout_s": "When a client is cut off that takes nothing of its answer.",
    "http.max_answers": "How many answers are worked out at once.",
    "http.max_waiting_answers": "How many may wait for that.",
    "http.max_answer_bytes": "What all long answers on their way may hold together.",
    "http.patience_s": "How long an answer waits for room.",
    "http.answer_grace_s": "After how long a long answer has to be read fast enough.",
    "http.min_answer_bytes_per_s": "How fast that is.",
    "log_retention.max_age_ms": "Older records are deleted once they are counted.",
    "log_retention.max_bytes": "Beyond this size the oldest records are deleted.",
    "log_retention.min_age_ms": "Younger records are never deleted.",
    "store_retention.windows_ms": "How long windows are kept, by their own time.",
    "store_retention.uncounted_ms": "How long the ledger, late events and dead letters are kept.",
    "kafka.partitions": "How many partitions a topic gets when it is made.",
    "kafka.replication_factor": "On how many brokers a topic is kept when it is made.",
    "kafka.group": "The consumer group that shows how far the processor is.",
    "kafka.schema_registry": "The URL of the schema registry that other producers write by.",
    "kafka.schema_mapping": "The mapping that makes events of their messages.",
    "kafka.topic_is_ours": "Whether what our collectors mark as judged isn't judged again.",
    "spark.master": "Where Spark runs: local[2], or spark://HOST:7077.",
    "spark.jars": "The jars of the Kafka connector, with commas; else from Maven Central.",
    "spark.checkpoint": "Where Spark keeps its progress. Else DATA_DIR/spark-checkpoint.",
    "spark.trigger_s": "The time from one batch of Spark's to the next.",
    "spark.max_offsets_per_trigger": "How many records one batch of Spark's takes.",
    "spark.max_bytes_per_trigger": "How many bytes of records it takes, about.",
    "spark.shuffle_partitions": "In how many parts Spark shuffles; 0: one for each core.",
    "spark.page": "Whether Spark shows its own page, on port 4040.",
    "spark.conf": "Further settings of Spark's: NAME=VALUE, with semicolons in between.",
    "products.max_versions": "How many versions of a product are remembered: the newest.",
    **TELEMETRY_MEANINGS,
    **PRIVACY_MEANINGS,
}

FOLLOWS = {
    f"collector.{name}": f"admission.{name}"
    for name in ("dedup_window_ms", "max_clock_skew_ms", "allowed_lateness_ms")
}
"""Fields that are no settings of their own, and the setting that they follow."""

FROM_ZERO = frozenset(
    {"port", "admission.max_clock_skew_ms", "admission.allowed_lateness_ms"}
    | {"admission.dedup_window_ms", "log_retention.min_age_ms", "processor.epoch_every_s"}
    | ACCESS_FROM_ZERO
    | TELEMETRY_FROM_ZERO
    | {"api.held_out_percent", "spark.shuffle_partitions"}
    | {"collector.new_sources_per_hour", "collector.max_import_bytes"}
)
"""Numbers that may be 0; the others may not."""

AT_MOST = {
    "port": 65_535,
    "rate": 10**6,
    "users": 10**7,
    "collector.max_sources": MAX_SOURCES,
    "telemetry.port": 65_535,
    "telemetry.trace_share": 1,
    "api.held_out_percent": 100,
    "admission.dedup_window_ms": 366 * 86_400_000,
}
"""The largest that some may be."""
