"""In which form an answer is asked for."""

import pytest
from litestar import Litestar
from litestar.testing import TestClient

Api = TestClient[Litestar]

PATH = "/api/query?metrics=revenue"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("image/png", "application/json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "application/json"),
        ("text/csv", "text/csv; header=present; charset=utf-8"),
        ("application/json;q=0.5, text/csv", "text/csv; header=present; charset=utf-8"),
        ("application/x-ndjson", "application/x-ndjson"),
        ("application/vnd.apache.parquet", "application/vnd.apache.parquet"),
    ],
)
def test_accept_decides(api: Api, accept: str, expected: str) -> None:
    answer = api.get(PATH, headers={"Accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (200, expected)
    assert "Accept" in answer.headers["vary"]


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_the_address_decides_before_accept(api: Api, form: str) -> None:
    answer = api.get(f"{PATH}&format={form}", headers={"Accept": "application/json"})
    assert answer.headers["content-disposition"] == f'attachment; filename="query.{form}"'
    assert answer.headers["x-lag-ms"]
    plain = api.get(f"{PATH}&format=json", headers={"Accept": "text/csv"})
    assert plain.headers["content-type"] == "application/json"


def test_another_form_is_refused(api: Api) -> None:
    answer = api.get(f"{PATH}&format=xml")
    assert answer.status_code == 400
    assert answer.json()["hint"] == "send json, csv, jsonl or parquet"
