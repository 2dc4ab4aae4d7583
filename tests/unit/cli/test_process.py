from rtcdp.assembly.locks import Lock


def test_once_ends_when_it_has_caught_up(rtcdp, events):
    rtcdp("replay", events)
    done = rtcdp("process", "--once")
    assert (done.code, done.out) == (0, "caught up at epoch 1: 0 records processed\n")


def test_one_processor_at_a_time(rtcdp, tmp_path):
    with Lock(tmp_path / "rtcdp-data" / "store.db.processor.lock", "a processor"):
        done = rtcdp("process", "--once")
    assert (done.code, "a processor runs already" in done.err) == (1, True)
