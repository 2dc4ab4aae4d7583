"""Where answers rest: the contract of every store, and the epoch that engines commit to it."""

from rtcdp.store.contract import (
    EpochRefused,
    Floors,
    Lease,
    LeaseHeld,
    LeaseLost,
    Progress,
    RowsRefused,
    RulesInForce,
    Scan,
    StateMismatch,
    Store,
    StoreForbidden,
    StoreGone,
    StoreSnapshot,
    StoreUnavailable,
    UncountedScan,
)
from rtcdp.store.epoch import Epoch, EpochReport, EpochSpan, TableChange

__all__ = [
    "Epoch",
    "EpochRefused",
    "EpochReport",
    "EpochSpan",
    "Floors",
    "Lease",
    "LeaseHeld",
    "LeaseLost",
    "Progress",
    "RowsRefused",
    "RulesInForce",
    "Scan",
    "StateMismatch",
    "Store",
    "StoreForbidden",
    "StoreGone",
    "StoreSnapshot",
    "StoreUnavailable",
    "TableChange",
    "UncountedScan",
]
