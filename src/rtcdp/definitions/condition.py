"""A predicate as an expression over columns of Polars, for whatever works in columns."""

from functools import reduce

import polars as pl

from rtcdp.definitions.predicate import (
    AllOf,
    AnyOf,
    Compare,
    Equals,
    Everything,
    Negation,
    OneOf,
    Predicate,
    Present,
)
from rtcdp.events.derived import number_column, text_column


def to_expression(predicate: Predicate) -> pl.Expr:
    """A predicate as a Boolean expression that is never null."""
    match predicate:
        case Everything():
            return pl.lit(True)
        case Equals(field, text):
            return (pl.col(text_column(field)) == text).fill_null(False)
        case OneOf(field, texts):
            return pl.col(text_column(field)).is_in(list(texts)).fill_null(False)
        case Present(field):
            return pl.col(text_column(field)).is_not_null()
        case Compare(field, comparison, limit):
            return _compare(pl.col(number_column(field)), comparison, limit).fill_null(False)
        case AllOf(predicates):
            return reduce(lambda a, b: a & b, map(to_expression, predicates), pl.lit(True))
        case AnyOf(predicates):
            return reduce(lambda a, b: a | b, map(to_expression, predicates), pl.lit(False))
        case Negation(negated):
            return ~to_expression(negated)


def _compare(left: pl.Expr, comparison: str, limit: float) -> pl.Expr:
    match comparison:
        case "<":
            return left < limit
        case "<=":
            return left <= limit
        case "==":
            return left == limit
        case ">":
            return left > limit
        case _:
            return left >= limit
