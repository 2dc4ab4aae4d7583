import asyncio

import pytest

from rtcdp.intake import transfers
from rtcdp.intake.transfers import GaveWay, Transfers


@pytest.fixture
def released(monkeypatch) -> list[int]:
    monkeypatch.setattr(transfers, "YOUNG_S", 0.0)
    return []


async def moving(shared: Transfers, held: int, moved: int, ready: asyncio.Event) -> str:
    try:
        with shared.under_way() as transfer:
            transfer.held_bytes, transfer.moved_bytes = held, moved
            await ready.wait()
    except GaveWay:
        return "gave way"
    return "done"


async def test_the_slowest_that_holds_something_gives_way(released) -> None:
    shared, ready = Transfers(released.append), asyncio.Event()
    sizes = ((10, 100), (20, 1), (0, 0))
    tasks = [asyncio.create_task(moving(shared, *size, ready)) for size in sizes]
    await asyncio.sleep(0.01)
    assert shared.make_room()
    assert released == [20]
    assert await tasks[1] == "gave way"
    ready.set()
    assert [await tasks[0], await tasks[2]] == ["done", "done"]
    assert len(shared) == 0


async def test_the_young_are_left_alone() -> None:
    shared, ready = Transfers(lambda _: None), asyncio.Event()
    task = asyncio.create_task(moving(shared, 10, 0, ready))
    await asyncio.sleep(0)
    assert not shared.make_room()
    ready.set()
    assert await task == "done"


async def test_a_cancellation_from_elsewhere_stays_one() -> None:
    shared = Transfers(lambda _: None)
    task = asyncio.create_task(moving(shared, 10, 0, asyncio.Event()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
