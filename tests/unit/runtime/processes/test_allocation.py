"""Freed memory is kept, unless an operator has said something else."""

import pytest

from rtcdp.runtime.processes.allocation import KEPT, OF_POLARS, VARIABLE, keep_freed_memory


@pytest.mark.parametrize(
    ("before", "after"),
    [(None, KEPT), ("", KEPT), (OF_POLARS, KEPT), ("narenas:1", "narenas:1")],
)
def test_an_operator_has_the_last_word(before: str | None, after: str) -> None:
    environment = {} if before is None else {VARIABLE: before}
    keep_freed_memory(environment)
    assert environment == {VARIABLE: after}
