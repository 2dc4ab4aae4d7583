"""How often somebody may ask."""

from rtcdp.access.rates import Rates


def test_a_burst_and_then_so_many_a_second() -> None:
    rates = Rates(per_s=2, burst=4)
    assert [rates.wait_s("ada", 10.0) for _ in range(5)] == [0, 0, 0, 0, 0.5]
    assert rates.is_over("ada", 10.0) == 0.5
    assert rates.wait_s("ada", 10.5) == 0
    assert rates.wait_s("ada", 10.5) == 0.5
    assert rates.wait_s("bob", 10.5) == 0


def test_over_time_no_more_than_allowed_get_through() -> None:
    rates = Rates(per_s=10, burst=20)
    passed = sum(rates.wait_s("ada", step / 1000) == 0 for step in range(10_000))
    assert passed == 20 + 10 * 10 - 1


def test_what_is_remembered_is_bounded() -> None:
    rates = Rates(per_s=1, burst=1, max_known=3)
    for who in "abcd":
        assert rates.wait_s(who, 0.0) == 0
    assert len(rates) == 3
    assert rates.wait_s("d", 0.0) == 1.0
    assert rates.wait_s("a", 0.0) == 0
