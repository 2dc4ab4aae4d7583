"""What the docs say of metrics and folds, written from their definitions: built-in ones and others.

All built-in ones are a part of docs/metrics.md, and built-in folds of docs/folds.md; `rtcdp metrics
--docs` shows the metrics of any catalog.

`python -m rtcdp.catalog.reference` brings the pages up to date, with `--check` it only says whether
they are. What stands outside the two marks in a page is written by hand and stays.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rtcdp.catalog.catalog import load_catalog, load_folds
from rtcdp.catalog.fold_reference import fold_rows_of
from rtcdp.definitions import (
    Fold,
    Metric,
    measure_in_words,
    predicate_in_words,
    tables_of,
    window_in_words,
)
from rtcdp.definitions.enrichment import stored_metrics
from rtcdp.errors import PartMissing, RtcdpError, UsageError
from rtcdp.events.derived import Text, field_in_words

PAGE = Path("docs/metrics.md")
FOLDS_PAGE = Path("docs/folds.md")
BEGIN = "<!-- from here on written by: python -m rtcdp.catalog.reference -->\n"
END = "<!-- up to here -->\n"


def main(arguments: Sequence[str]) -> int:
    """Write or check the pages; returns the exit code: 0 done, 1 out of date, 2, 3 as always."""
    try:
        checks, pages = _options(arguments)
        done = [_check(page) if checks else _write(page) for page in pages]
        return max(done)
    except RtcdpError as error:
        sys.stderr.write(f"{error}: {error.hint}\n")
        return error.exit_code


def updated(page: str, sections: Sequence[str]) -> str:
    """The page's text with the part between the marks written anew from `sections`.

    Raises `UsageError` when the marks are not there, in their order.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UsageError("the page has no marks", f"put {BEGIN.strip()} and {END.strip()} into it")
    return before + BEGIN + "\n" + "\n".join(sections) + "\n" + END + after


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
            f"`{table.name}` ({', '.join(table.column_names)})"
            for stored in stored_metrics([metric])
            for table in tables_of(stored)
        ),
        "Ask": f"`GET /api/metrics/{name}{query}`",
    }
    return _section(metric, rows)


def fold_section(fold: Fold) -> str:
    """What the page says of one fold, in Markdown."""
    return _section(fold, fold_rows_of(fold))


def _section(of: Metric | Fold, rows: Mapping[str, str]) -> str:
    lines = [
        f"### {of.title}",
        "",
        f"`{of.name}` — {of.description}" if of.description else f"`{of.name}`",
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


def _options(arguments: Sequence[str]) -> tuple[bool, list[Path]]:
    pages = [argument for argument in arguments if argument != "--check"]
    if len(pages) > 1 or any(page.startswith("-") for page in pages):
        raise UsageError(f"can't use {' '.join(arguments)}", "give [--check] [PAGE]")
    return "--check" in arguments, [*map(Path, pages)] or [PAGE, FOLDS_PAGE]


def _sections(page: Path) -> list[str]:
    """What the page is to say: of folds, if it is called so."""
    if page.name == FOLDS_PAGE.name:
        return [*map(fold_section, load_folds())]
    return [*map(section, load_catalog())]


def _check(page: Path) -> int:
    text = _read(page)
    if updated(text, _sections(page)) == text:
        return 0
    sys.stderr.write(f"{page} is out of date: run python -m rtcdp.catalog.reference\n")
    return 1


def _write(page: Path) -> int:
    page.write_text(updated(_read(page), _sections(page)), encoding="utf-8")
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
