"""Where one can go."""

from rtcdp.dashboard.address import PageAddress
from rtcdp.dashboard.navigation import GROUPS, navigation


def test_only_pages_that_are_there_are_named() -> None:
    [now, platform] = navigation({"/", "/docs"}, "/docs", PageAddress("/docs", (("tz", "UTC"),)))
    assert [(item.title, item.href, item.is_here) for item in now.items] == [
        ("Overview", "/?tz=UTC", False)
    ]
    assert [item.is_here for item in platform.items] == [True]


def test_each_place_has_its_own_key() -> None:
    keys = [key for _, places in GROUPS for _, _, key in places]
    assert len(set(keys)) == len(keys) == 12
