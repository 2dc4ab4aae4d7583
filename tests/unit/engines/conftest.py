"""A store for engines."""

import pytest

from rtcdp.store.sqlite import SqliteStore


@pytest.fixture
def store(tmp_path):
    opened = SqliteStore(tmp_path / "store.sqlite")
    yield opened
    opened.close()
