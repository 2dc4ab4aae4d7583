"""Refusals."""

from http import HTTPStatus
from typing import get_args

import pytest

from rtcdp.access.grant import REFUSALS, AccessRefused, RefusalCode


@pytest.mark.parametrize("code", get_args(RefusalCode))
def test_a_refusal_says_what_happened_and_what_to_do(code) -> None:
    refused = AccessRefused(code, "make a key")
    assert (refused.status, str(refused)) == REFUSALS[code]
    is_malformed = code == "repeated_key"
    assert (refused.status == HTTPStatus.BAD_REQUEST) is is_malformed
    assert is_malformed or refused.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, 429)
    assert refused.hint == "make a key"
