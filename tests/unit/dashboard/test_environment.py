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


def test_each_cell_says_of_which_column_it_is_and_what_users_send_is_none() -> None:
    row = '<tr class="a"><td>{{ x }}</td><td class="b"></td><td></td></tr>'
    heads = ['A "1"', ("B", "b"), ("C", "x told")]
    table = "{% filter labelled(heads) %}" + row * 2 + "{% endfilter %}"
    told = (
        '<tr role="row" class="a"><td role="cell" data-label="A &#34;1&#34;">&lt;td&gt;</td>'
        '<td role="cell" data-label="B" class="b"></td><td role="cell"></td></tr>'
    )
    assert page_environment().from_string(table).render(x="<td>", heads=heads) == told * 2
