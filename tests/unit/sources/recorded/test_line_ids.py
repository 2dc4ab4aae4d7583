import polars as pl

from rtcdp.sources.recorded.line_ids import LineIds

LINES = ["a", "", "ä", "a", "x" * 300]


def singly(lines, name="f", number=7):
    ids = LineIds(name)
    return [ids.next(number + place, line.encode()) for place, line in enumerate(lines)]


def test_many_at_once_are_called_what_each_is_called_by_itself():
    for cut in range(len(LINES)):
        ids = LineIds("f")
        first = [ids.next(7 + place, line.encode()) for place, line in enumerate(LINES[:cut])]
        sums = ids.pass_over(7 + cut, pl.Series(LINES[cut:]))
        assert first + ids.called(7 + cut, sums).to_list() == singly(LINES)


def test_an_id_hangs_on_its_name_its_place_and_all_text_before():
    last = {singly(LINES)[-1], singly(LINES, name="g")[-1], singly(LINES, number=8)[-1]}
    last |= {singly([*LINES[1::-1], *LINES[2:]])[-1], singly(["b", *LINES[1:]])[-1]}
    assert len({each.rpartition(":")[2] for each in last}) == 5
