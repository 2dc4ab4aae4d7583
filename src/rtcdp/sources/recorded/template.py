"""Templates: text with the names of columns in braces, such as `/product/{product_id}`."""

from collections.abc import Callable, Mapping
from string import Formatter

Record = Mapping[str, str]
"""The columns of one line. An absent column is missing or empty text."""

Template = Callable[[Record], str | None]
"""Gives the text for a record, or None when a column that it names is absent."""


def template_names(text: str) -> tuple[str, ...]:
    """The columns that a template names. Raises `ValueError` if `text` is no template."""
    names = []
    for _, name, form, conversion in Formatter().parse(text):
        if name is None:
            continue
        if not name or form or conversion:
            raise ValueError("between braces goes the name of a column and nothing else")
        names.append(name)
    return tuple(names)


def compile_template(text: str) -> Template:
    """The template's function. Raises `ValueError` if `text` is no template."""
    names = template_names(text)
    if text == f"{{{names[0]}}}" if names else False:
        return _column(names[0])
    parts = [(literal, name) for literal, name, _, _ in Formatter().parse(text)]

    def render(record: Record) -> str | None:
        texts = []
        for literal, name in parts:
            texts.append(literal)
            if name is not None:
                column = record.get(name)
                if not column:
                    return None
                texts.append(column)
        return "".join(texts)

    return render


def _column(name: str) -> Template:
    return lambda record: record.get(name) or None
