"""Filters of pages whose fields depend on what is looked at: `where=KEY=TEXT` in the address."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec

from rtcdp.answers.question import Texts
from rtcdp.errors import BadRequest

Where = Annotated[
    tuple[str, ...],
    msgspec.Meta(description="only these, like `userId=ada`; several of a field mean any of them"),
]


def filters_in(where: Sequence[str]) -> Texts:
    """The texts that fields have to be, by the names of the fields.

    Raises `BadRequest` for what has no `=`.
    """
    found: dict[str, tuple[str, ...]] = {}
    for each in where:
        name, sign, text = each.partition("=")
        if not sign or not name.strip():
            raise BadRequest(
                f"where={each[:100]!r} names no field", "send a field and a text: where=userId=ada"
            )
        name = name.strip()
        found[name] = (*found.get(name, ()), text)
    return found


def as_pairs(filters: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """The same as parts of an address of the API."""
    return [(name, text) for name, texts in filters.items() for text in texts]
