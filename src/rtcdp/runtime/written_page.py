"""Writes a page of the docs that is worked out: `python -m MODULE [--check] [PAGE]`."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path


def write_or_check(
    arguments: Sequence[str], page: Path, new_text: Callable[[str], str], module: str
) -> int:
    """Write `page`, or the one that `arguments` name, as `new_text` makes it of what it says; with
    `--check` only see whether it does, and name `module` to whoever has to write it.

    Returns the exit code: 0 done, 1 out of date, 2 wrong usage.
    """
    pages = [argument for argument in arguments if argument != "--check"]
    if len(pages) > 1 or any(each.startswith("-") for each in pages):
        sys.stderr.write(f"can't use {' '.join(arguments)}: give [--check] [PAGE]\n")
        return 2
    page = Path(pages[0]) if pages else page
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    new = new_text(text)
    if "--check" not in arguments:
        page.write_text(new, encoding="utf-8")
        return 0
    if text == new:
        return 0
    sys.stderr.write(f"{page} is out of date: run python -m {module}\n")
    return 1
