"""Filters that name several values of a field: a list for each choice of one value, and these lists
put together again."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod

from rtcdp.api.problem import BadRequest

MAX_COMBINATIONS = 50
"""How many choices one request may ask for: each is a search of its own."""


def combinations(fields: Mapping[str, Sequence[str]]) -> Iterator[dict[str, str]]:
    """Each choice of one value a field; one empty choice where there are no fields.

    Raises `BadRequest` when there are more than `MAX_COMBINATIONS`.
    """
    count = prod(map(len, fields.values()))
    if count > MAX_COMBINATIONS:
        raise BadRequest(
            f"the filters have {count} combinations of values",
            f"ask for {MAX_COMBINATIONS} at most at a time",
        )
    return (dict(zip(fields, chosen, strict=True)) for chosen in product(*fields.values()))
