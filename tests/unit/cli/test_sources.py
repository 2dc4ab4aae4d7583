import json


def test_the_sources_of_a_log_are_listed_and_can_be_retired(rtcdp, events):
    rtcdp("replay", events)
    assert "1 of 100 sources" in rtcdp("sources", "list").out
    assert "retired default" in rtcdp("sources", "retire", "default").out
    assert "0 of 100 sources" in rtcdp("sources", "list").out


def test_a_source_that_is_not_known_can_not_be_retired(rtcdp, events):
    rtcdp("replay", events)
    failed = rtcdp("sources", "retire", "shop")
    assert failed.code == 2
    assert "no source 'shop'" in failed.err


def test_programs_get_the_sources_as_rows(rtcdp, events):
    rtcdp("replay", events)
    assert json.loads(rtcdp("sources", "list", "--json").out)["items"] == [{"source": "default"}]
    assert rtcdp("sources", "list", "--csv").out == "source\ndefault\n"


def test_without_a_log_a_part_is_missing(rtcdp):
    failed = rtcdp("sources", "list")
    assert (failed.code, "there is no log" in failed.err) == (3, True)


def test_its_help_has_nothing_of_the_whole_programs(rtcdp):
    assert "completion" not in rtcdp("sources", "--help").out
