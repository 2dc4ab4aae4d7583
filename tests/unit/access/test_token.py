"""The token that a request shows."""

from base64 import b64encode

import pytest

from rtcdp.access.token import token_in


def basic(text: str) -> str:
    return f"Basic {b64encode(text.encode()).decode()}"


@pytest.mark.parametrize(
    ("header", "token"),
    [
        (None, None),
        ("Bearer abc", "abc"),
        ("bearer  abc ", "abc"),
        (basic("name:abc"), "abc"),
        (basic("abc:"), "abc"),
        (basic("abc"), "abc"),
        ("Basic %%%", ""),
        ("Digest abc", ""),
        ("", ""),
    ],
)
def test_the_token_is_what_the_scheme_says(header: str | None, token: str | None) -> None:
    assert token_in(header) == token
