"""Deadlines without a timer for each."""

import asyncio

import pytest

from rtcdp.intake.deadlines import Deadlines


async def test_what_takes_too_long_is_ended() -> None:
    deadlines = Deadlines()
    with pytest.raises(TimeoutError), deadlines.within(0.01):
        await asyncio.sleep(60)


async def test_what_is_in_time_goes_on() -> None:
    deadlines = Deadlines()
    with deadlines.within(0.01):
        await asyncio.sleep(0)
    await asyncio.sleep(0.7)


async def test_each_task_has_its_own_deadline() -> None:
    deadlines = Deadlines()

    async def wait(seconds: float, allowed_s: float) -> str:
        try:
            with deadlines.within(allowed_s):
                await asyncio.sleep(seconds)
        except TimeoutError:
            return "late"
        return "in time"

    assert await asyncio.gather(wait(60, 0.01), wait(0.8, 60)) == ["late", "in time"]


async def test_a_cancellation_by_others_is_none_of_its_business() -> None:
    deadlines = Deadlines()

    async def wait() -> None:
        with deadlines.within(60):
            await asyncio.sleep(60)

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_it_looks_again_after_a_rest() -> None:
    deadlines = Deadlines()
    for _ in range(2):
        with pytest.raises(TimeoutError), deadlines.within(0.01):
            await asyncio.sleep(60)
        await asyncio.sleep(0.6)
