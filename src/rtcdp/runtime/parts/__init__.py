"""The parts of an installation, log, store and catalog, opened from its settings the same way
wherever they are needed."""

from rtcdp.runtime.parts.foreign import registry_kinds, translation_of
from rtcdp.runtime.parts.guarded_log import GuardedLogWriter
from rtcdp.runtime.parts.kept_by_type import kept_by_type_of
from rtcdp.runtime.parts.opening import (
    FollowedFolds,
    embedded_log_writer,
    folds_of,
    guarded_log_writer,
    left_out_text,
    log_reader,
    log_writer,
    metrics_left_out,
    metrics_of,
    require_log,
    require_reachable,
    require_store,
    store_is_meant,
    store_of,
    stored_metrics_of,
)
from rtcdp.runtime.parts.product_stream import product_updates, with_product_log

__all__ = [
    "FollowedFolds",
    "GuardedLogWriter",
    "embedded_log_writer",
    "folds_of",
    "guarded_log_writer",
    "kept_by_type_of",
    "left_out_text",
    "log_reader",
    "log_writer",
    "metrics_left_out",
    "metrics_of",
    "product_updates",
    "registry_kinds",
    "require_log",
    "require_reachable",
    "require_store",
    "store_is_meant",
    "store_of",
    "stored_metrics_of",
    "translation_of",
    "with_product_log",
]
