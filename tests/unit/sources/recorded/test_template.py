import pytest

from rtcdp.sources.recorded.template import compile_template, template_names


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{a}", "1"),
        ("/x/{a}", "/x/1"),
        ("{a}-{b}!", "1-2!"),
        ("plain", "plain"),
        ("", ""),
        ("{{{a}}}", "{1}"),
        ("{user.id}", "u"),
        ("{empty}", None),
        ("{a}{missing}", None),
        ("{a}{empty}", None),
    ],
)
def test_a_template_is_filled_from_columns_or_absent(template, text):
    record = {"a": "1", "b": "2", "user.id": "u", "empty": ""}
    assert compile_template(template)(record) == text


def test_a_template_knows_its_columns():
    assert template_names("{a}/{b c}/{{d}}") == ("a", "b c")


@pytest.mark.parametrize("wrong", ["{}", "{a", "a}", "{a!r}", "{a:>5}"])
def test_what_is_no_template_is_refused(wrong):
    with pytest.raises(ValueError, match=r"."):
        template_names(wrong)
