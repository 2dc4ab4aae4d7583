"""What goes with what, computed of sessions of items. Pure: frames in, items out."""

from rtcdp.recommendations.ranking import (
    NO_SESSIONS,
    Model,
    Reason,
    Recommended,
    Source,
    Wish,
    popular,
    ranked,
    recommended,
    trending,
)
from rtcdp.recommendations.session_index import Edge, SessionIndex, index_of, keys_frame
from rtcdp.recommendations.session_part import ITEMS, SESSIONS_SCHEMA, START, TOLD, USER, Ints

__all__ = [
    "ITEMS",
    "NO_SESSIONS",
    "SESSIONS_SCHEMA",
    "START",
    "TOLD",
    "USER",
    "Edge",
    "Ints",
    "Model",
    "Reason",
    "Recommended",
    "SessionIndex",
    "Source",
    "Wish",
    "index_of",
    "keys_frame",
    "popular",
    "ranked",
    "recommended",
    "trending",
]
