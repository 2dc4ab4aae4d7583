"""The Spark engine of an installation."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rtcdp.admission.event_id_index import CLOCK_SLACK_MS
from rtcdp.clock import Clock
from rtcdp.definitions import Metric
from rtcdp.engines.spark.processor import SparkProcessor
from rtcdp.engines.spark.query import KafkaSource
from rtcdp.engines.spark.stories import StoreAccess
from rtcdp.engines.upkeep import Keeping, Upkeep
from rtcdp.errors import UsageError
from rtcdp.log.contract import LogReader
from rtcdp.log.kafka import parse_topic
from rtcdp.private_files import make_private_folder
from rtcdp.runtime.adapters import STORES
from rtcdp.runtime.parts import translation_of
from rtcdp.runtime.processing.running import FillingTold
from rtcdp.runtime.settings import Settings
from rtcdp.store import Progress, Store

CHECKPOINT = "spark-checkpoint"

_SAME_IN_JAVA = ("security.protocol", "client.id")
_LOGIN = 'org.apache.kafka.common.security.{}LoginModule required username="{}" password="{}";'


def spark_processor(
    settings: Settings, log: LogReader, store: Store, clock: Clock, metrics: Sequence[Metric]
) -> SparkProcessor:
    """The processor that runs on Spark; `log` is the same topic, for what is looked up in it.

    Raises `UsageError` for options of the topic's URL that Spark's client doesn't have.
    """
    topic = parse_topic(settings.log_url)
    checkpoint = settings.spark.checkpoint or str(settings.data_dir.absolute() / CHECKPOINT)
    if ":" not in checkpoint:
        # Spark would make it readable for all.
        make_private_folder(Path(checkpoint))
    processor = SparkProcessor(
        KafkaSource(
            log,
            topic.bootstrap,
            topic.name,
            java_options(dict(topic.options)),
            translation_of(settings.kafka),
        ),
        store,
        metrics,
        settings.admission,
        clock,
        replace(settings.spark, checkpoint=checkpoint),
    )
    processor.listeners = replace(processor.listeners, on_filling=FillingTold().tell)
    processor.store_access = _store_access(settings)
    processor.lease_ttl_s = settings.processor.lease_ttl_s

    upkeep: list[Upkeep] = []

    def expire(progress: Progress) -> None:
        if not upkeep:
            kept = settings.store_retention
            ids_ms = settings.admission.dedup_window_ms + CLOCK_SLACK_MS
            keeping = Keeping(None, kept.windows_ms, kept.uncounted_ms, ids_ms)
            upkeep.append(Upkeep(log, store, clock, keeping, processor.listeners.on_trouble))
        upkeep[0].expire(progress)

    processor.upkeep = expire
    return processor


def _store_access(settings: Settings) -> StoreAccess:
    """The store as executors open it, which work in folders of their own."""
    url, path = settings.store_url, settings.store_path
    if path is not None:
        url = f"{settings.store_kind}:{path.absolute()}"
    return StoreAccess(STORES[settings.store_kind].opener("open_store"), url)


def java_options(options: Mapping[str, str]) -> dict[str, str]:
    """Options of librdkafka as the Java client calls them. Raises `UsageError` for others than
    those of a login."""
    left = dict(options)
    found = {name: left.pop(name) for name in _SAME_IN_JAVA if name in left}
    mechanism = left.pop("sasl.mechanisms", left.pop("sasl.mechanism", ""))
    user, password = left.pop("sasl.username", ""), left.pop("sasl.password", "")
    if mechanism:
        kind = "plain.Plain" if mechanism == "PLAIN" else "scram.Scram"
        found["sasl.mechanism"] = mechanism
        found["sasl.jaas.config"] = _LOGIN.format(kind, user, password)
    if left:
        raise UsageError(
            f"Spark can't be given these options of the log's URL: {', '.join(sorted(left))}",
            "use security.protocol, sasl.mechanism, sasl.username and sasl.password, "
            "or the native engine",
        )
    return found
