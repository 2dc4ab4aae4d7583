"""Example answers in the OpenAPI description."""

import json
from typing import Any

from litestar import Litestar
from litestar.testing import TestClient

Api = TestClient[Litestar]


def test_answers_are_described_with_an_example(api: Api) -> None:
    paths = api.get("/openapi.json").json()["paths"]
    seen = paths["/api/anomalies/{anomalyId}/acknowledgement"]["post"]["responses"]["200"]
    [example] = seen["content"]["application/json"]["examples"].values()
    assert example["value"]["anomaly"]["acknowledged"]["by"] == "Ada"
    assert json.loads(example["description"]) == {"by": "Ada", "note": "a bot"}
    assert example["summary"].startswith("POST /api/anomalies/")
    without = [
        path
        for path, item in paths.items()
        if "get" in item and "{" not in path
        if not any("examples" in each for each in contents(item["get"]))
    ]
    assert without == [], "run make examples"


def contents(operation: dict[str, Any]) -> list[dict[str, Any]]:
    responses = operation["responses"].values()
    return [each for response in responses for each in response.get("content", {}).values()]
