"""Every setting there is: its name, default, limits and meaning, and where its value comes from.

Flags go over the environment (`RTCDP_…`), the environment over `rtcdp.toml`, that over defaults.
A setting is a field of `Settings` or of one of its sections; flags, environment variables, keys of
the file and the page docs/settings.md (`rtcdp.runtime.settings.reference`) all follow from it.
"""

import importlib.util
import ipaddress
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_type_hints

from rtcdp.access.key_file import keys_path, read_keys
from rtcdp.access.rules import FROM_ZERO as ACCESS_FROM_ZERO
from rtcdp.access.rules import MEANINGS as ACCESS_MEANINGS
from rtcdp.access.rules import AccessRules
from rtcdp.admission.rules import AdmissionRules
from rtcdp.api.door import Door, hosts_of, origins_of
from rtcdp.api.limits import ApiLimits, HttpLimits
from rtcdp.engines.native.limits import ProcessorLimits, ProductLimits, StoreRetention
from rtcdp.engines.spark.limits import SparkLimits, conf_of
from rtcdp.errors import PartMissing, UsageError
from rtcdp.intake.limits import CollectorLimits
from rtcdp.ip_addresses import MEANINGS as PRIVACY_MEANINGS
from rtcdp.ip_addresses import PrivacyRules
from rtcdp.log.limits import MAX_SOURCES, KafkaTopicSettings, Retention
from rtcdp.runtime.adapters import ALL, LOGS, STORES, Adapter, adapter_for
from rtcdp.runtime.settings.file import code_named_by, read_file, refused_code
from rtcdp.runtime.settings.setting import PREFIX, Setting, checked_type, from_text
from rtcdp.telemetry import FROM_ZERO as TELEMETRY_FROM_ZERO
from rtcdp.telemetry import MEANINGS as TELEMETRY_MEANINGS
from rtcdp.telemetry import TelemetryRules

FILE_NAME = "rtcdp.toml"
CONFIG_VARIABLE = f"{PREFIX}CONFIG"
KEY_VARIABLE = f"{PREFIX}KEY"
"""The key that a program of ours shows to a collector elsewhere. No setting: those are shown."""

EngineName = Literal["native", "spark"]
LogFormat = Literal["text", "json"]

_ADAPTERS = {"log": LOGS, "store": STORES}
_PASSWORD = re.compile(r"(?<=://)([^:@/]*):[^@/]*@")


@dataclass(frozen=True)
class Settings:
    """One installation's settings, complete and checked.

    Raises `UsageError` for values that don't go together.
    """

    data_dir: Path = Path("rtcdp-data")
    log: str = ""
    store: str = ""
    engine: EngineName = "native"
    catalog: Path | None = None
    folds: str = "all"
    host: str = "127.0.0.1"
    port: int = 8081
    trust_network: bool = False
    allowed_hosts: str = ""
    allowed_origins: str = ""
    log_format: LogFormat = "text"
    rate: float = 20.0
    users: int = 5
    access: AccessRules = field(default_factory=AccessRules)
    admission: AdmissionRules = field(default_factory=AdmissionRules)
    collector: CollectorLimits = field(default_factory=CollectorLimits)
    processor: ProcessorLimits = field(default_factory=ProcessorLimits)
    api: ApiLimits = field(default_factory=ApiLimits)
    http: HttpLimits = field(default_factory=HttpLimits)
    log_retention: Retention = field(default_factory=Retention)
    store_retention: StoreRetention = field(default_factory=StoreRetention)
    kafka: KafkaTopicSettings = field(default_factory=KafkaTopicSettings)
    spark: SparkLimits = field(default_factory=SparkLimits)
    products: ProductLimits = field(default_factory=ProductLimits)
    telemetry: TelemetryRules = field(default_factory=TelemetryRules)
    privacy: PrivacyRules = field(default_factory=PrivacyRules)

    def __post_init__(self) -> None:
        for setting, value in values_of(self):
            _check(setting, value)
        hosts_of(self.allowed_hosts)
        origins_of(self.allowed_origins)
        _adapter("log", self.log_url)
        _adapter("store", self.store_url)
        conf_of(self.spark.conf)
        self._check_keeping()

    def _check_keeping(self) -> None:
        """Raises `UsageError` when log, store and the index of ids are kept for times that don't go
        together."""
        window, oldest = self.admission.dedup_window_ms, self.log_retention.max_age_ms
        for name, kept in (
            ("log_retention.min_age_ms", self.log_retention.min_age_ms),
            ("log_retention.max_age_ms", oldest),
            ("store_retention.uncounted_ms", self.store_retention.uncounted_ms),
        ):
            if kept < window:
                raise UsageError(
                    f"{name} is {kept}, less than admission.dedup_window_ms, {window}",
                    "keep records at least as long as their ids have to be remembered",
                )
        if self.store_retention.uncounted_ms < oldest:
            raise UsageError(
                f"store_retention.uncounted_ms is {self.store_retention.uncounted_ms}, less than"
                f" log_retention.max_age_ms, {oldest}",
                "keep verdicts at least as long as the records that they are about",
            )

    @property
    def log_url(self) -> str:
        return self.log or f"embedded:{self.data_dir / 'log'}"

    @property
    def store_url(self) -> str:
        return self.store or f"sqlite:{self.data_dir / 'store.db'}"

    @property
    def log_kind(self) -> str:
        """Which of `LOGS` the log is."""
        return self.log_url.partition(":")[0]

    @property
    def store_kind(self) -> str:
        """Which of `STORES` the store is."""
        return self.store_url.partition(":")[0]

    @property
    def log_path(self) -> Path | None:
        """Where the log keeps its files; None for one on servers."""
        return LOGS[self.log_kind].path_in(self.log_url)

    @property
    def store_path(self) -> Path | None:
        """Where the store keeps its file; None for one on a server."""
        return STORES[self.store_kind].path_in(self.store_url)

    @property
    def collector_limits(self) -> CollectorLimits:
        """The collector's limits, with the rules of admission."""
        return replace(self.collector, **vars(self.admission))

    @property
    def door(self) -> Door:
        """Whom the HTTP server lets in."""
        hosts = hosts_of(self.allowed_hosts) | {self.host.lower()}
        is_open = self.trust_network or not self.is_on_loopback
        return Door(hosts, origins_of(self.allowed_origins), is_open)

    @property
    def base_url(self) -> str:
        """Where the HTTP server can be reached from this machine."""
        scheme = "http" if self.access.tls_certificate is None else "https"
        return f"{scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def is_on_loopback(self) -> bool:
        """Whether the HTTP server can be reached from this machine alone."""
        try:
            return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def on_port(self, port: int) -> "Settings":
        """The same, listening on another port."""
        return replace(self, port=port)


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
    "processor.max_batch_bytes": "How much of the log one epoch takes.",
    "processor.max_fold_batch_bytes": "How much of the log one epoch takes where folds run.",
    "processor.epoch_every_s": "The shortest time from one epoch to the next.",
    "processor.poll_s": "The longest sleep while the log is at rest.",
    "processor.retry_s": "The pause before a commit is tried again.",
    "processor.seen_ids_capacity": "How many event ids are remembered; 40 bytes each.",
    "processor.expire_every_s": "How often old data is deleted.",
    "processor.erase_again_every_s": "How often erased users' old events leave the log at most.",
    "processor.lease_ttl_s": "How long a store on a server is kept for a processor that is gone.",
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

_FOLLOWS = {
    f"collector.{name}": f"admission.{name}"
    for name in ("dedup_window_ms", "max_clock_skew_ms", "allowed_lateness_ms")
}
"""Fields that are no settings of their own, and the setting that they follow."""

_FROM_ZERO = frozenset(
    {"port", "admission.max_clock_skew_ms", "admission.allowed_lateness_ms"}
    | {"admission.dedup_window_ms", "log_retention.min_age_ms", "processor.epoch_every_s"}
    | ACCESS_FROM_ZERO
    | TELEMETRY_FROM_ZERO
    | {"api.held_out_percent", "spark.shuffle_partitions", "collector.new_sources_per_hour"}
)
_AT_MOST = {"port": 65_535, "rate": 10**6, "users": 10**7, "collector.max_sources": MAX_SOURCES}
_AT_MOST |= {"telemetry.port": 65_535, "telemetry.trace_share": 1}
_AT_MOST["api.held_out_percent"] = 100
_AT_MOST["admission.dedup_window_ms"] = 366 * 86_400_000


def all_settings() -> tuple[Setting, ...]:
    """Every setting, in the order of the dataclass."""
    return tuple(_settings_of(Settings, ""))


def values_of(settings: Settings) -> Iterator[tuple[Setting, object]]:
    """Every setting with its value."""
    for setting in all_settings():
        section, _, name = setting.key.rpartition(".")
        yield setting, getattr(getattr(settings, section) if section else settings, name)


@dataclass(frozen=True)
class Loaded:
    """The settings in force, and where each that nobody left alone comes from: `--port`,
    `RTCDP_PORT` or the file's name, by key."""

    settings: Settings
    origins: Mapping[str, str]


Confirm = Callable[[UsageError], bool]
"""Asks whether code may be taken from where a file says; the error is what to say if not."""


def load(
    flags: Mapping[str, object], environment: Mapping[str, str], config: Path | None = None
) -> Settings:
    """The settings in force; see `load_with_origins`, which nobody is asked by here."""
    return load_with_origins(flags, environment, config, lambda _: False).settings


def load_with_origins(
    flags: Mapping[str, object],
    environment: Mapping[str, str],
    config: Path | None,
    confirm: Confirm,
) -> Loaded:
    """The settings in force, and where they come from.

    `flags` are keyed like the file, with None for those not given. `config` is the file to read;
    without it `RTCDP_CONFIG` says which, and without that `rtcdp.toml` of the current folder is
    read if it is there. Relative paths in the file are relative to the file. Raises `UsageError`
    for an unknown key or a bad value, naming it, and `PartMissing` when the file is not there.

    Settings that name code are taken from a file that somebody named. Where the file was just found
    in the current folder, `confirm` decides; if it says no, `UsageError` is raised.
    """
    known = {setting.key: setting for setting in all_settings()}
    named = config or (
        Path(environment[CONFIG_VARIABLE]) if CONFIG_VARIABLE in environment else None
    )
    path = named or Path(FILE_NAME)
    chosen: dict[str, object] = {}
    if named is not None or path.exists():
        chosen = _from_file(path, known)
    origins = dict.fromkeys(chosen, str(path))
    for key, setting in known.items():
        if setting.variable in environment:
            chosen[key] = from_text(setting, environment[setting.variable])
            origins[key] = setting.variable
        if flags.get(key) is not None:
            chosen[key] = checked_type(setting, flags[key], setting.flag)
            origins[key] = setting.flag
    if named is None:
        own = {key: value for key, value in chosen.items() if origins[key] == str(path)}
        code = code_named_by(own)
        if code and not confirm(refusal := refused_code(path, code)):
            raise refusal
    return Loaded(_built(chosen), origins)


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Names that look like settings of ours and are none. Not an error: other programs (container
    orchestrators among them) set such variables, too."""
    known = {setting.variable for setting in all_settings()} | {CONFIG_VARIABLE, KEY_VARIABLE}
    return sorted(name for name in environment if name.startswith(PREFIX) and name not in known)


def require_loopback(settings: Settings) -> None:
    """Raise `UsageError` unless who can reach the server needs a key, or may do without: from this
    machine, or where the network is trusted. Raises `KeysDamaged`."""
    if settings.is_on_loopback or settings.trust_network or settings.access.jwks:
        return
    if not read_keys(keys_path(settings.data_dir)).keys:
        raise UsageError(
            f"it would listen on {settings.host}, where others can reach it without a key",
            "make a key first: rtcdp keys create NAME --scope admin (with the same --data-dir); or,"
            " where everybody on the network may read and write, give --trust-network",
        )


def require_present(settings: Settings) -> None:
    """Raise `PartMissing` unless the libraries of the parts that were asked for are installed, and
    `UsageError` when the parts don't go together."""
    if settings.engine == "spark" and settings.log_kind != "kafka":
        raise UsageError(
            f"the engine spark reads Kafka, and the log is {settings.log_url}",
            "give --log kafka://HOST:PORT/TOPIC as well, or use --engine native",
        )
    _require_divisible(settings)
    for part in (settings.log_kind, settings.store_kind, settings.engine):
        adapter = ALL[part]
        if adapter.library and importlib.util.find_spec(adapter.library) is None:
            raise PartMissing(
                f"{part} needs {adapter.library}, which is not installed",
                f"run `make full` in the checkout, or `pip install 'rtcdp[{adapter.extra}]'`",
            )
    if settings.kafka.schema_registry and importlib.util.find_spec("fastavro") is None:
        raise PartMissing(
            "kafka.schema_registry needs fastavro, which is not installed",
            "run `make full` in the checkout, or `pip install 'rtcdp[kafka,schemas]'`",
        )


def _require_divisible(settings: Settings) -> None:
    """Raise `UsageError` where a log can't be counted in the shards that were asked for."""
    if settings.processor.shards == 1:
        return
    parts = (settings.engine, settings.log_kind, settings.store_kind)
    why = next((ALL[part].undivided for part in parts if ALL[part].undivided), None)
    if why is not None:
        raise UsageError(
            f"processor.shards is {settings.processor.shards}, and {why}",
            "use the native engine with a log on Kafka and a store on PostgreSQL, or leave"
            " processor.shards at 1",
        )


def require_tracing() -> None:
    """Raise `PartMissing` unless what sends traces is installed."""
    if importlib.util.find_spec("opentelemetry") is None:
        raise PartMissing(
            "telemetry.traces_to needs opentelemetry, which is not installed",
            "run `make full` in the checkout, or `pip install 'rtcdp[otel]'`",
        )


def without_password(url: str) -> str:
    """A URL that may be shown."""
    return _PASSWORD.sub(r"\1:…@", url)


def _settings_of(owner: Any, section: str) -> Iterator[Setting]:
    hints = get_type_hints(owner)
    for entry in fields(owner):
        key = section + entry.name
        if key in _FOLLOWS:
            continue
        if is_dataclass(hints[entry.name]):
            yield from _settings_of(hints[entry.name], f"{key}.")
            continue
        assert entry.default is not MISSING, f"{key} has no default"
        assert key in MEANINGS, f"{key} has no meaning in MEANINGS"
        yield Setting(key, hints[entry.name], entry.default, MEANINGS[key])


def _from_file(path: Path, known: Mapping[str, Setting]) -> dict[str, object]:
    return {
        key: _relative_to(path.parent, key, checked_type(known[key], value, f"{key} in {path}"))
        for key, value in read_file(path, known).items()
    }


def _relative_to(folder: Path, key: str, value: object) -> object:
    if isinstance(value, Path):
        return folder / value
    if key not in _ADAPTERS or not isinstance(value, str):
        return value
    scheme, _, path = value.partition(":")
    adapter = _ADAPTERS[key].get(scheme)
    return f"{scheme}:{folder / path}" if adapter and adapter.in_files and path else value


def _check(setting: Setting, value: object) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return
    lowest_is_zero = setting.key in _FROM_ZERO
    highest = _AT_MOST.get(setting.key, math.inf)
    if math.isfinite(value) and (value > 0 or (lowest_is_zero and value == 0)) and value <= highest:
        return
    least = "0 or more" if lowest_is_zero else "more than 0"
    most = "" if highest == math.inf else f" and at most {highest}"
    raise UsageError(f"{setting.key} is {value}", f"give {least}{most}")


def _adapter(key: str, url: str) -> Adapter:
    return adapter_for(_ADAPTERS[key], key, url, without_password(url))


def _built(chosen: Mapping[str, object]) -> Settings:
    own: dict[str, Any] = {key: value for key, value in chosen.items() if "." not in key}
    for entry in fields(Settings):
        section = get_type_hints(Settings)[entry.name]
        prefix = f"{entry.name}."
        values = {k.removeprefix(prefix): v for k, v in chosen.items() if k.startswith(prefix)}
        if values:
            own[entry.name] = section(**values)
    return Settings(**own)
