from rtcdp.events.judged import Run, run_of


def test_a_run_gives_back_its_records():
    records = [b"a", b"", b"{}"]
    run = run_of(records, is_verified=True)
    assert run == Run(b"a\n\n{}\n", 3, is_verified=True)
    assert run.records() == records
    assert run_of([]).records() == []
