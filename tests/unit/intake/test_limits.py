import pytest

from rtcdp.intake.limits import CollectorLimits


@pytest.mark.parametrize(
    ("text", "names"),
    [("", set()), ("shop", {"shop"}), (" shop-eu, shop-us,,", {"shop-eu", "shop-us"})],
)
def test_declared_sources_are_names_with_commas_in_between(text: str, names: set[str]) -> None:
    assert CollectorLimits(sources=text).declared_sources == names
