"""The body of every error."""

import msgspec

from rtcdp.problem_document import problem_document


def test_a_document_has_the_members_of_the_standard_and_two_of_ours() -> None:
    document = msgspec.to_builtins(problem_document(404, "there is no such list", "ask for one"))
    assert document == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "there is no such list",
        "hint": "ask for one",
        "code": "not_found",
    }


def test_a_finer_reason_has_a_code_of_its_own() -> None:
    assert problem_document(403, "a", "b", code="foreign_page").code == "foreign_page"
