"""Example answers for the OpenAPI description: what a shop that a seed has made up was answered.

`python -m deploy.example_answers` writes them; a test takes them again and compares.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

EXAMPLES_FILE = Path(__file__).with_name("examples.json")
_SHOP = "made-up-shop"


class Example(msgspec.Struct, frozen=True, omit_defaults=True):
    """One answer: to which address, with which body, and what it was. `answer` is a JSON value, or
    text where the media type says so; `is_shortened` where lists or lines were left out of it."""

    address: str
    status: int
    media_type: str
    answer: Any
    body: Any = None
    is_shortened: bool = False


@cache
def examples() -> Mapping[str, Example]:
    """The examples by verb and described path, like `GET /api/ledger`."""
    return msgspec.json.decode(EXAMPLES_FILE.read_bytes(), type=dict[str, Example])


def with_examples(paths: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The path items of an OpenAPI document, each operation with its example, if there is one: at
    its good answer, with the request as the summary and its body as the description."""
    return {
        path: {
            verb: _with_example(verb.upper(), operation, examples().get(f"{verb.upper()} {path}"))
            for verb, operation in item.items()
        }
        for path, item in paths.items()
    }


def _with_example(verb: str, operation: Any, example: Example | None) -> Any:
    if example is None:
        return operation
    status = str(example.status)
    answer = operation["responses"].get(status, {"description": ""})
    media = answer.get("content", {}).get(example.media_type, {})
    shown = {"summary": f"{verb} {example.address}", "value": example.answer}
    if example.body is not None:
        shown["description"] = msgspec.json.encode(example.body).decode()
    if example.is_shortened:
        shown["x-shortened"] = True
    content = {
        **answer.get("content", {}),
        example.media_type: {**media, "examples": {_SHOP: shown}},
    }
    responses = {**operation["responses"], status: {**answer, "content": content}}
    return {**operation, "responses": responses}
