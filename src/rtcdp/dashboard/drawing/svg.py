"""Elements of SVG: every text in them is escaped, and nothing is styled but by classes."""

from markupsafe import Markup, escape

Inside = str | Markup
Attribute = str | float | None


def element(name: str, /, *inside: Inside, **attributes: Attribute) -> Markup:
    """One element with what is inside, which is escaped unless it is markup.

    An underscore in the name of an attribute is a hyphen, one behind it is for words of Python
    (`class_`); an attribute that is None is left out. Numbers have two places at most.
    """
    written = Markup("").join(
        Markup(' {}="{}"').format(each.rstrip("_").replace("_", "-"), _written(value))
        for each, value in attributes.items()
        if value is not None
    )
    if not inside:
        return Markup("<{}{}/>").format(name, written)
    return Markup("<{}{}>{}</{}>").format(name, written, together(*inside), name)


def together(*parts: Inside) -> Markup:
    """Parts one after the other; those that are no markup are escaped."""
    return Markup("").join(map(escape, parts))


def link(href: str | None, *inside: Inside, label: str | None = None) -> Markup:
    """What leads to a page of this server; where there is none, just what is inside.

    Raises `ValueError` for an address that leads elsewhere.
    """
    if href is None:
        return element("g", *inside)
    if not href.startswith("/") or href.startswith("//"):
        raise ValueError(f"{href[:100]!r} leads away from this server")
    return element("a", *inside, href=href, aria_label=label)


def percentage(share: float) -> str:
    """A share of the width that there is, as SVG writes it: 0.25 is `25%`."""
    return f"{number(100 * share)}%"


def number(value: float) -> str:
    """Two places at most: a hundredth of a pixel is enough, and pages stay small."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def shortened(text: str, letters: int) -> str:
    """A text that has so many letters at most, with `…` where some are missing."""
    return text if len(text) <= letters else f"{text[: letters - 1]}…"


def _written(value: str | float) -> str:
    return value if isinstance(value, str) else number(value)
