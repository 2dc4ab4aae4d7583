"""A log in one folder and one line: settings, commands and the conformance suite know it."""

from tests.recipes.store_proof import run


def test_it_keeps_what_is_replayed(tmp_path):
    events = tmp_path / "events.ndjson"
    events.write_text(
        '{"userId":"ada","timestamp":"2026-03-01T12:00:00Z","eventType":"PAGE_VIEW"}\n' * 3
    )
    data = str(tmp_path / "data")
    where = (
        "--data-dir",
        data,
        "--log",
        f"twin:{tmp_path / 'log'}",
        "--store",
        f"sqlite:{data}.db",
    )
    run("rtcdp", "replay", str(events), *where)
    run("rtcdp", "process", "--once", *where)
    assert '"admitted": 3' in run("rtcdp", "ledger", "--json", *where)


def test_it_passes_the_conformance_suite():
    run("pytest", "-q", "-p", "no:cacheprovider", "tests/conformance/logs", "-k", "twin")
