"""Templates."""

import pytest
from jinja2 import UndefinedError

from rtcdp.dashboard.environment import page_environment


def test_every_text_is_escaped() -> None:
    template = page_environment().from_string('<b title="{{ x }}">{{ x }}</b>')
    assert "<i>" not in template.render(x='"><i>')


def test_a_name_that_is_not_there_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        page_environment().from_string("{{ nothing }}").render()


def test_numbers_are_written_in_words_of_people() -> None:
    text = "{{ 61109 | compact }} {{ 0.5 | percent }} {{ 'a/b' | segment }}"
    assert page_environment().from_string(text).render() == "61.1k 50.0 % a%2Fb"
