"""Drawings as trees, for tests that look at what is in them."""

from xml.etree.ElementTree import Element, fromstring


def tree_of(markup: str) -> Element:
    """The elements of a drawing; one that is not well-formed fails."""
    return fromstring(markup)  # noqa: S314 - a drawing of ours
