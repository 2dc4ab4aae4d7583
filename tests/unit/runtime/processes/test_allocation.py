"""Freed memory is kept, unless an operator has said something else."""

import os
import subprocess
import sys

import pytest

from rtcdp.runtime.processes.allocation import (
    HEAPS_VARIABLE,
    KEPT,
    OF_POLARS,
    VARIABLE,
    keep_freed_memory,
)

HEAPS_OF_THREADS = """
import ctypes, os, tempfile, threading
from rtcdp.runtime.processes.allocation import share_one_heap
share_one_heap(os.environ)
begin = threading.Barrier(3)
def work():
    begin.wait()
    kept = [bytes(10_000) for _ in range(100)]
    begin.wait()
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
library = ctypes.CDLL(None)
library.fopen.restype = ctypes.c_void_p
with tempfile.NamedTemporaryFile() as told:
    file = ctypes.c_void_p(library.fopen(told.name.encode(), b"w"))
    library.malloc_info(0, file)
    library.fclose(file)
    print(told.read().count(b"<heap nr="), os.environ["MALLOC_ARENA_MAX"])
"""
"""What is done by several threads, and of how many heaps the C library tells then."""


@pytest.mark.parametrize(
    ("before", "after"),
    [(None, KEPT), ("", KEPT), (OF_POLARS, KEPT), ("narenas:1", "narenas:1")],
)
def test_an_operator_has_the_last_word(before: str | None, after: str) -> None:
    environment = {} if before is None else {VARIABLE: before}
    keep_freed_memory(environment)
    assert environment == {VARIABLE: after}


@pytest.mark.parametrize(("said", "heaps"), [(None, "1 1"), ("8", "4 8")])
def test_threads_share_a_heap_unless_an_operator_says_otherwise(
    said: str | None, heaps: str
) -> None:
    environment = {name: text for name, text in os.environ.items() if name != HEAPS_VARIABLE}
    environment |= {} if said is None else {HEAPS_VARIABLE: said}
    done = subprocess.run(
        [sys.executable, "-c", HEAPS_OF_THREADS],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == heaps
