"""A row table with a column of each type."""

from rtcdp.definitions import RowTable

VISITS = RowTable(
    name="visits",
    columns=(
        ("userId", "text"),
        ("start", "integer"),
        ("value", "real"),
        ("entry", "text"),
        ("packed", "bytes"),
    ),
    group_key=("userId",),
    order=("start",),
)
