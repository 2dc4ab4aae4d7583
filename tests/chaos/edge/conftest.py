"""`--attack full` is what `make chaos ARGS=edge` asks for; without it attacks are small."""

from dataclasses import dataclass

import pytest


def pytest_addoption(parser):
    parser.addoption("--attack", default="small", choices=("small", "full"))


@dataclass(frozen=True)
class Size:
    """`connections` of an attack, for `seconds`. Only a full one measures how long a healthy client
    waits: a machine that does other things besides would tell nothing."""

    connections: int
    seconds: float
    measures: bool


@pytest.fixture(scope="session")
def size(request) -> Size:
    is_full = request.config.getoption("--attack", default="small") == "full"
    return Size(3_000, 15.0, measures=True) if is_full else Size(200, 2.0, measures=False)
