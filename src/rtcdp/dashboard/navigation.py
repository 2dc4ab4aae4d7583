"""What stands beside every page: where one can go. What has no page of its own is left out."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from rtcdp.dashboard.address import PageAddress

GROUPS: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...] = (
    (
        "Now",
        (
            ("/", "Overview", "o"),
            ("/explore", "Explore", "e"),
            ("/events", "Events", "v"),
            ("/anomalies", "Anomalies", "a"),
        ),
    ),
    (
        "People",
        (
            ("/sessions", "Sessions", "s"),
            ("/funnels", "Funnels", "f"),
            ("/retention", "Retention", "r"),
            ("/paths", "Paths", "p"),
            ("/carts", "Carts", "c"),
            ("/recommendations", "Recommendations", "m"),
        ),
    ),
    ("Platform", (("/pipeline", "Pipeline", "l"), ("/docs", "Docs", "d"))),
)
"""Paths, their titles, and the keys that lead there after `g`."""


@dataclass(frozen=True)
class NavItem:
    """A place to go to, also by `g` and its key; `is_here` where the visitor is."""

    title: str
    key: str
    href: str
    is_here: bool


@dataclass(frozen=True)
class NavGroup:
    """Places that belong together."""

    title: str
    items: tuple[NavItem, ...]


def navigation(known: Collection[str], here: str, address: PageAddress) -> Sequence[NavGroup]:
    """The places that are `known` by their paths, as seen from the page at the path `here`."""
    groups = (
        NavGroup(
            title,
            tuple(
                NavItem(words, key, address.elsewhere(path), path == here)
                for path, words, key in places
                if path in known
            ),
        )
        for title, places in GROUPS
    )
    return [group for group in groups if group.items]
