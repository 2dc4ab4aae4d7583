"""Example answers of the API."""

from deploy.example_answers import taken
from rtcdp.api.examples import examples


def test_examples_are_what_the_shop_answers() -> None:
    found = taken()
    others = [name for name, example in examples().items() if found.get(name) != example]
    assert others == [], "run python -m deploy.example_answers, and look at what changed"
