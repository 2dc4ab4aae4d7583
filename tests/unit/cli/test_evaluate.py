def test_the_group_lists_what_can_be_evaluated(rtcdp):
    shown = rtcdp("evaluate", "--help")
    assert shown.code == 0
    assert "recommendations" in shown.out
