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
from rtcdp.access.rules import AccessRules
from rtcdp.admission.rules import AdmissionRules
from rtcdp.api.door import Door, hosts_of, origins_of
from rtcdp.api.limits import ApiLimits, HttpLimits
from rtcdp.engines.native.limits import (
    LEASE_TTL_S_MIN,
    ProcessorLimits,
    ProductLimits,
    StoreRetention,
)
from rtcdp.engines.spark.limits import SparkLimits, conf_of
from rtcdp.errors import PartMissing, UsageError
from rtcdp.intake.limits import CollectorLimits
from rtcdp.ip_addresses import PrivacyRules
from rtcdp.log.limits import KafkaTopicSettings, Retention
from rtcdp.runtime.adapters import ALL, LOGS, STORES, Adapter, adapter_for
from rtcdp.runtime.settings.file import code_named_by, read_file, refused_code
from rtcdp.runtime.settings.meanings import AT_MOST, FOLLOWS, FROM_ZERO, MEANINGS
from rtcdp.runtime.settings.setting import PREFIX, Setting, checked_type, from_text
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
        if self.processor.lease_ttl_s < LEASE_TTL_S_MIN:
            raise UsageError(
                f"processor.lease_ttl_s is {self.processor.lease_ttl_s:g}: a store that is busy may"
                " take a second for one step, and the lease would be taken from one who lives",
                f"give {LEASE_TTL_S_MIN:g} or more; on the same machine, a dead one is replaced at"
                " once whatever it is",
            )

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
        if key in FOLLOWS:
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
    lowest_is_zero = setting.key in FROM_ZERO
    highest = AT_MOST.get(setting.key, math.inf)
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
