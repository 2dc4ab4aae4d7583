import pytest

from rtcdp.intake.problem import REFUSALS, RefusalCode, RequestRefused, problem_document


@pytest.mark.parametrize("code", REFUSALS)
def test_a_refusal_says_what_is_wrong_and_what_to_do(code: RefusalCode) -> None:
    document = problem_document(RequestRefused(code, "do this"))
    assert (document.detail, document.hint) == (REFUSALS[code][1], "do this")
    assert (document.hint, document.code, document.type) == ("do this", code, "about:blank")
    assert document.status == REFUSALS[code][0]


def test_the_title_is_the_status_in_words() -> None:
    assert problem_document(RequestRefused("empty_body", "")).title == "Bad Request"
