"""The registry names what is there: packages that open, libraries and extras that exist."""

import importlib.util
import inspect
import tomllib
from pathlib import Path

import pytest

from rtcdp.errors import UsageError
from rtcdp.runtime.adapters import ALL, LOGS, STORES, adapter_for

PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"


@pytest.mark.parametrize("scheme", LOGS)
def test_a_log_opens_a_reader_and_a_writer(scheme):
    adapter = LOGS[scheme]
    assert list(inspect.signature(adapter.opener("open_reader")).parameters) == ["url", "options"]
    writer = inspect.signature(adapter.opener("open_writer"))
    assert list(writer.parameters) == ["url", "clock", "options"]


@pytest.mark.parametrize("scheme", STORES)
def test_a_store_opens(scheme):
    opener = inspect.signature(STORES[scheme].opener("open_store"))
    assert list(opener.parameters) == ["url", "read_only"]


@pytest.mark.parametrize("name", ALL)
def test_a_library_is_brought_by_its_extra(name):
    adapter = ALL[name]
    extras = tomllib.loads(PYPROJECT.read_text())["project"]["optional-dependencies"]
    assert bool(adapter.library) == bool(adapter.extra)
    if adapter.extra:
        assert extras[adapter.extra]
        assert importlib.util.find_spec(adapter.library) is not None


def test_files_have_a_path_and_servers_have_none():
    assert LOGS["embedded"].path_in("embedded:some/log") == Path("some/log")
    assert STORES["mongodb"].path_in("mongodb://host/name") is None


@pytest.mark.parametrize("url", ["nothing", "file:x", "sqlite", "sqlite:"])
def test_another_url_is_refused_with_those_that_there_are(url):
    with pytest.raises(UsageError) as caught:
        adapter_for(STORES, "store", url, url)
    assert repr(url) in str(caught.value)
    assert caught.value.hint == "give sqlite:FILE, postgresql://… or mongodb://…"
