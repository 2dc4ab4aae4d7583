import pytest

from rtcdp.intake.problem import REFUSALS, RefusalCode, RequestRefused, document_of


@pytest.mark.parametrize("code", REFUSALS)
def test_a_refusal_says_what_is_wrong_and_what_to_do(code: RefusalCode) -> None:
    document = document_of(RequestRefused(code, "do this"))
    assert (document.detail, document.hint) == (REFUSALS[code][1], "do this")
    assert (document.hint, document.code, document.type) == ("do this", code, "about:blank")
    assert document.status == REFUSALS[code][0]


def test_the_title_is_the_status_in_words() -> None:
    assert document_of(RequestRefused("empty_body", "")).title == "Bad Request"
