"""The one environment that templates are rendered in: every text is escaped, and a name that is not
there is an error."""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from rtcdp.dashboard.address import segment
from rtcdp.words import ago, cents, compact, count, duration, money, percent, plural

FILE_FORMS = (("csv", "CSV"), ("jsonl", "JSON lines"), ("parquet", "Parquet"))
"""What lists can be downloaded as, and what people call that."""


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
    }
    return environment


def render(environment: Environment, template: str, values: Mapping[str, Any]) -> bytes:
    """A page, in UTF-8. Lone surrogates, which no page can hold, become question marks."""
    return environment.get_template(template).render(values).encode("utf-8", "replace")
