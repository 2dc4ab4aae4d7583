"""What the docs say of a metric, written from its definition: a built-in one's or a user's own.

All built-in ones are a part of docs/metrics.md; `rtcdp metrics --docs` shows those of any catalog.

`python -m rtcdp.catalog.reference` brings the page up to date, with `--check` it only says whether
it is. What stands outside the two marks in the page is written by hand and stays.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from rtcdp.catalog.catalog import load_catalog
from rtcdp.definitions import (
    Metric,
    measure_in_words,
    predicate_in_words,
    tables_of,
    window_in_words,
)
from rtcdp.errors import PartMissing, RtcdpError, UsageError
from rtcdp.events.derived import Text, field_in_words

PAGE = Path("docs/metrics.md")
BEGIN = "<!-- from here on written by: python -m rtcdp.catalog.reference -->\n"
END = "<!-- up to here -->\n"


def main(arguments: Sequence[str]) -> int:
    """Write or check the page; returns the exit code: 0 done, 1 out of date, 2, 3 as everywhere."""
    try:
        checks, page = _options(arguments)
        return _check(page) if checks else _write(page)
    except RtcdpError as error:
        sys.stderr.write(f"{error}: {error.hint}\n")
        return error.exit_code


def updated(page: str, metrics: Sequence[Metric]) -> str:
    """The page's text with the part between the marks written anew from `metrics`.

    Raises `UsageError` when the marks are not there, in their order.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UsageError("the page has no marks", f"put {BEGIN.strip()} and {END.strip()} into it")
    return before + BEGIN + "\n" + "\n".join(map(section, metrics)) + "\n" + END + after


def section(metric: Metric) -> str:
    """What the page says of one metric, in Markdown."""
    name = metric.name
    query = "".join(f"{'&' if i else '?'}{key}=…" for i, key in enumerate(metric.key_names))
    measures = [f"`{measure.name}`: {measure_in_words(measure)}" for measure in metric.measures]
    rows = {
        "Counts": predicate_in_words(metric.predicate),
        "One row per": " and ".join((*map(_part_of_key, metric.key), "window")),
        "Window": window_in_words(metric.window),
        "Says": "<br>".join(measures),
        "Tables": "<br>".join(
            f"`{table.name}` ({', '.join(table.column_names)})" for table in tables_of(metric)
        ),
        "Ask": f"`GET /api/metrics/{name}{query}`",
    }
    lines = [
        f"### {metric.title}",
        "",
        f"`{name}` — {metric.description}" if metric.description else f"`{name}`",
        "",
        "| | |",
        "|---|---|",
    ]
    lines += [f"| {label} | {_in_a_cell(text)} |" for label, text in rows.items()]
    return "\n".join(lines) + "\n"


def _part_of_key(part: Text) -> str:
    words = field_in_words(part)
    return words if isinstance(part, str) else f"`{part.name}`, the {words},"


def _in_a_cell(text: str) -> str:
    """A predicate may compare with any text; a bar of its own would end the cell."""
    return text.replace("|", "\\|").replace("\n", " ")


def _options(arguments: Sequence[str]) -> tuple[bool, Path]:
    pages = [argument for argument in arguments if argument != "--check"]
    if len(pages) > 1 or any(page.startswith("-") for page in pages):
        raise UsageError(f"can't use {' '.join(arguments)}", "give [--check] [PAGE]")
    return "--check" in arguments, Path(pages[0]) if pages else PAGE


def _check(page: Path) -> int:
    text = _read(page)
    if updated(text, load_catalog()) == text:
        return 0
    sys.stderr.write(f"{page} is out of date: run python -m rtcdp.catalog.reference\n")
    return 1


def _write(page: Path) -> int:
    page.write_text(updated(_read(page), load_catalog()), encoding="utf-8")
    return 0


def _read(page: Path) -> str:
    try:
        return page.read_text(encoding="utf-8")
    except OSError as error:
        raise PartMissing(
            f"{page} can't be read", "name the page, or run this where it is"
        ) from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
