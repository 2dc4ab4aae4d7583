"""What the API is built from. Assembled once, passed to every handler."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from rtcdp.admission.rules import AdmissionRules
from rtcdp.api.limits import ApiLimits
from rtcdp.api.log_sight import LogSight
from rtcdp.api.probes import Probes
from rtcdp.clock import Clock
from rtcdp.definitions import Metric
from rtcdp.log.contract import LogReader
from rtcdp.store import Store

Check = Callable[[], str | None]
"""Says what is wrong with a part, or None when it is well."""


@dataclass(frozen=True)
class ApiContext:
    """`log` is None where only a store is served: there is no drill-down then, and the lag is
    counted from the last commit. `allowed_lateness_ms` says how long after its end a window may
    still change. `checks` are parts of this process that can fail, by name. `is_processing` tells
    whether a processor works on the store, where that can be known, and `probes` keep the checks
    that are under way. `registry` holds telemetry of other parts, for `/metrics`. `stop` is set
    when the server is about to stop, and ends the live streams. `sight` is how it looks at the
    log."""

    store: Store
    metrics: tuple[Metric, ...]
    clock: Clock
    log: LogReader | None = None
    limits: ApiLimits = ApiLimits()
    checks: Mapping[str, Check] = field(default_factory=dict)
    is_processing: Callable[[], bool] | None = None
    probes: Probes = field(default_factory=Probes)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    stop: threading.Event = field(default_factory=threading.Event)
    allowed_lateness_ms: int = AdmissionRules.allowed_lateness_ms
    sight: LogSight = field(default_factory=LogSight)
