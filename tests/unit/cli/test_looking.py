def test_the_catalog_is_listed(rtcdp):
    assert "user_page_view_counts" in rtcdp("metrics").out


def test_a_metric_of_one_s_own_is_a_page_of_the_docs(rtcdp, tmp_path):
    (tmp_path / "views.py").write_text(
        "from rtcdp.vocabulary.measure import Count\n"
        "from rtcdp.vocabulary.metric import Metric\n"
        "from rtcdp.vocabulary.window import tumbling\n"
        "METRIC = Metric('views', 'All [views]', tumbling(hours=1), (Count('n'),))\n"
    )
    lines = rtcdp("metrics", "views", "--docs", "--catalog", tmp_path).out.splitlines()
    assert lines[0] == "### All [views]"
    assert "| Window | 1 hour |" in lines
    assert "| Ask | `GET /api/metrics/views` |" in lines
    of_all = rtcdp("metrics", "--docs", "--catalog", tmp_path).out
    assert of_all.count("### ") > 5
    assert of_all.endswith("\n".join(lines[-3:]) + "\n")


def test_there_is_no_page_on_a_metric_that_is_not_there(rtcdp):
    assert "there is no metric 'nothing'" in rtcdp("metrics", "nothing", "--docs").err


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
