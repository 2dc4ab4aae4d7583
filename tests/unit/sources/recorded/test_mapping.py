from pathlib import Path

import pytest

from rtcdp.errors import PartMissing, UsageError
from rtcdp.sources.recorded.line_mapper import line_mapper
from rtcdp.sources.recorded.mapping import built_in_mappings, load_mapping, parse_mapping

SMALL = """
format = "csv"
[fields]
userId = "{who}"
[event_type]
default = "PAGE_VIEW"
[timestamp]
from = "{when}"
"""


def test_the_built_in_mappings_load_by_name():
    assert built_in_mappings() == ("combined-log", "events", "rees46")
    assert [load_mapping(name).format for name in built_in_mappings()] == ["regex", "events", "csv"]


def test_a_users_file_loads_by_path(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(SMALL)
    assert load_mapping(str(path)) == parse_mapping(SMALL, "mine")


def test_a_mapping_knows_the_columns_it_needs():
    assert parse_mapping(SMALL, "small").names() == {"who", "when"}


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(UsageError) as refused:
        load_mapping("rees47")
    assert "rees46" in refused.value.hint


def test_a_file_that_is_not_there_is_a_part_missing():
    with pytest.raises(PartMissing):
        load_mapping("nowhere.toml")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("format =", "shape ="), "shape"),
        (('"csv"', '"xml"'), "xml"),
        (("PAGE_VIEW", "{who"), "expected"),
        (("[timestamp]", "[value]"), "timestamp"),
        (('default = "PAGE_VIEW"', ""), "default"),
        (('default = "PAGE_VIEW"', 'map = { a = "VIEW" }'), r"event_type\.map"),
        (('default = "PAGE_VIEW"', 'from = "{x}"\nmap = { a = "view" }'), "'view'"),
        (('"{when}"', '"{when}"\ntimezone = "Mars"'), "Mars"),
        (('"{when}"', '"{}"'), "column"),
        (('"csv"', '"csv"\nheader = false'), "columns"),
        (('"csv"', '"csv"\nheader = false\ncolumns = ["who"]'), "when"),
        (('"csv"', '"csv"\ndelimiter = ";;"'), "delimiter"),
        (('"csv"', '"csv"\npattern = "x"'), "pattern"),
        (('"csv"', '"regex"'), "pattern"),
        (('"csv"', '"regex"\npattern = "(?P<who>x)"'), "when"),
        (('"csv"', '"regex"\npattern = "("'), "missing"),
        (('"csv"', '"events"'), "nothing else"),
    ],
)
def test_a_wrong_mapping_is_refused_and_what_is_wrong_named(change, named):
    with pytest.raises(UsageError, match=named):
        parse_mapping(SMALL.replace(*change), "small")


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        (("[timestamp]", "[timestam]"), "did you mean timestamp?"),
        (("userId", "userid"), "did you mean userId?"),
        (("default", "rules = [{ if = '{who}', matchs = 'x' }] #"), "did you mean matches?"),
        (('"csv"', '"cvs"'), "did you mean csv? give one of: csv, ndjson"),
        (('"{when}"', '"{when}"\nformat = "isoo"'), "did you mean iso?"),
        (('"{when}"', '"{when}"\nformat = "DD.MM.YYYY"'), "%d.%m.%Y"),
        (('"{when}"', '"{when}"\nformat = "%Y-%Q"'), "%d.%m.%Y"),
        (('"{when}"', '"{when}"\nformat = ["iso", "%Y-%m-%d %"]'), "%d.%m.%Y"),
        (('"{when}"', '"{when}"\nformat = "%d.%m.%Y %H:%m"'), "%d.%m.%Y"),
        (('"{when}"', '"{when}"\ntimezone = "Mars"'), "like Europe/Berlin"),
        (("format =", "format"), "rees46.toml"),
    ],
)
def test_of_a_wrong_mapping_it_is_said_what_to_write(change, hint):
    with pytest.raises(UsageError) as refused:
        parse_mapping(SMALL.replace(*change), "small")
    assert hint in refused.value.hint


def test_the_mapping_of_the_docs_is_one():
    page = (Path(__file__).parents[4] / "docs" / "mappings.md").read_text(encoding="utf-8")
    toml = page.partition("```toml\n")[2].partition("```")[0]
    columns = ("customer", "sku", "action", "at", "price", "brand", "qty")
    found = line_mapper(parse_mapping(toml, "docs"), columns)(b"ada,1,buy,32.01.2026 9:00,5,x,1")
    message = page.partition("```\nline 17: ")[2].partition("\n")[0]
    assert str(found).startswith(message)
