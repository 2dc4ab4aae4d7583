"""The processor of an installation: either engine, how it runs, and how it erases a user."""

from rtcdp.runtime.processing.erasing import counted_alone, erase
from rtcdp.runtime.processing.running import (
    FillingTold,
    InParts,
    Processing,
    processor_of,
    processor_on,
    run_processor,
    run_processor_part,
)

__all__ = [
    "FillingTold",
    "InParts",
    "Processing",
    "counted_alone",
    "erase",
    "processor_of",
    "processor_on",
    "run_processor",
    "run_processor_part",
]
