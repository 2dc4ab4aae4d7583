"""What the docs say of metrics and folds, written from their definitions: built-in ones and others.

`rtcdp metrics --docs` shows it. No page of docs/ repeats it: so a metric is its file, and a fold.
"""

from collections.abc import Mapping

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
from rtcdp.events.derived import Text, field_in_words


def told_of(of: Metric | Fold) -> Mapping[str, str]:
    """What the docs say of a metric or a fold: labels, each with its words; `<br>` ends a line of
    them."""
    return fold_rows_of(of) if isinstance(of, Fold) else _metric_rows_of(of)


def section(of: Metric | Fold) -> str:
    """What the docs say of a metric or a fold, in Markdown."""
    lines = [
        f"### {of.title}",
        "",
        f"`{of.name}` — {of.description}" if of.description else f"`{of.name}`",
        "",
        "| | |",
        "|---|---|",
    ]
    lines += [f"| {label} | {_in_a_cell(text)} |" for label, text in told_of(of).items()]
    return "\n".join(lines) + "\n"


def _metric_rows_of(metric: Metric) -> Mapping[str, str]:
    name = metric.name
    query = "".join(f"{'&' if i else '?'}{key}=…" for i, key in enumerate(metric.key_names))
    measures = [f"`{measure.name}`: {measure_in_words(measure)}" for measure in metric.measures]
    return {
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


def _part_of_key(part: Text) -> str:
    words = field_in_words(part)
    return words if isinstance(part, str) else f"`{part.name}`, the {words},"


def _in_a_cell(text: str) -> str:
    """A predicate may compare with any text; a bar of its own would end the cell."""
    return text.replace("|", "\\|").replace("\n", " ")
