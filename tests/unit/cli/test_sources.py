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
