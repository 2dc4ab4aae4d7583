def test_the_catalog_is_listed(rtcdp):
    assert "user_page_view_counts" in rtcdp("metrics").out


def test_the_newest_windows_of_a_metric_are_shown(rtcdp, events):
    rtcdp("replay", events)
    lines = rtcdp("metrics", "user_page_view_counts", "--limit", 2).out.splitlines()
    assert lines[0].strip() == "Page views by user"
    assert [line.split()[-2:] for line in lines if "2026" in line] == [["ada", "1"], ["bob", "1"]]


def test_a_metric_without_windows_says_so(rtcdp):
    assert rtcdp("metrics", "revenue").out == "revenue has no windows yet\n"


def test_the_ledger_balances(rtcdp, events):
    rtcdp("replay", events, "--source", "shop")
    lines = rtcdp("ledger").out.splitlines()
    assert lines[0].endswith("received 3 = admitted 2 + duplicate 0 + late 0 + dead letter 1 ✓")
    assert [line.split()[2:6] for line in lines if " shop " in line] == [["shop", "3", "2", "0"]]


def test_the_ledger_of_nothing_is_empty(rtcdp):
    assert rtcdp("ledger").out.startswith("received 0 = admitted 0")
