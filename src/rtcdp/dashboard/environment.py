"""The one environment that templates are rendered in: every text is escaped, and a name that is not
there is an error."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from rtcdp.dashboard.address import segment
from rtcdp.words import ago, cents, compact, count, duration, money, percent, plural

FILE_FORMS = (("csv", "CSV"), ("jsonl", "JSON lines"), ("parquet", "Parquet"))
"""What lists can be downloaded as, and what people call that."""

_ROW_OR_CELL = re.compile(r"<(tr|td)\b")


def page_environment() -> Environment:
    """Templates of this package, with the words that numbers are written in."""
    environment = Environment(
        loader=PackageLoader("rtcdp.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals["file_forms"] = FILE_FORMS
    environment.filters |= {
        "count": count,
        "cents": cents,
        "compact": compact,
        "percent": percent,
        "money": money,
        "duration": duration,
        "ago": ago,
        "plural": plural,
        "segment": segment,
        "labelled": labelled,
    }
    return environment


def labelled(rows: Markup, heads: Sequence[str | tuple[str, str]]) -> Markup:
    """The rows of a table, each cell with its role, which a browser forgets where rows are stacked,
    and with the name of its column, unless that is of the class `told`."""
    pairs = ((head, "") if isinstance(head, str) else head for head in heads)
    names = ["" if "told" in kind.split() else name for name, kind in pairs]
    left: Iterator[str] = iter(())

    def told(found: re.Match[str]) -> str:
        nonlocal left
        if found[1] == "tr":
            left = iter(names)
            return '<tr role="row"'
        name = next(left, "")
        return '<td role="cell"' + (f' data-label="{escape(name)}"' if name else "")

    # What users send is escaped by now, and holds no tag.
    return Markup(_ROW_OR_CELL.sub(told, rows))  # noqa: S704


def render(environment: Environment, template: str, values: Mapping[str, Any]) -> bytes:
    """A page, in UTF-8. Lone surrogates, which no page can hold, become question marks."""
    return environment.get_template(template).render(values).encode("utf-8", "replace")
