"""Work beside the page, without a page."""

import asyncio
import threading
from functools import partial

import pytest

from dcgan_features.data.utils.errors import InputError
from dcgan_features.gan.explorer.latest import Latest


class Told:
    """What the page is told, in order."""

    def __init__(self):
        self.busy: list[bool] = []
        self.failed: list[str] = []
        self.done: list[object] = []
        self.latest = Latest(self.busy.append, self.failed.append)


def test_of_what_is_asked_meanwhile_only_the_newest_is_done():
    told, free, begun = Told(), threading.Event(), []

    def job(number):
        begun.append(number)
        assert free.wait(30)
        return number

    async def ask():
        first = asyncio.create_task(told.latest.answer("walk", partial(job, 0), told.done.append))
        while not begun:
            await asyncio.sleep(0.001)  # comes back: the page is not blocked
        for number in (1, 2, 3):
            await told.latest.answer("walk", partial(job, number), told.done.append)
        await asyncio.sleep(0)
        assert told.done == []
        free.set()
        await first

    asyncio.run(ask())
    assert begun == told.done == [0, 3]
    assert told.busy == [True, False]


def test_keys_do_not_wait_for_each_other():
    told, free = Told(), threading.Event()

    async def ask():
        slow = asyncio.create_task(told.latest.answer("slow", lambda: free.wait(30), told.done.append))
        await asyncio.sleep(0)
        await told.latest.answer("quick", lambda: "quick", told.done.append)
        assert told.done == ["quick"]
        assert told.busy[-1] is True  # the slow one still is
        free.set()
        await slow

    asyncio.run(ask())
    assert told.done == ["quick", True]
    assert told.busy[-1] is False


def test_what_went_wrong_is_told_and_work_goes_on():
    told = Told()

    def wrong():
        raise InputError("there is no map")

    asyncio.run(told.latest.answer("a", wrong, told.done.append))
    assert told.failed == ["there is no map"]
    with pytest.raises(ZeroDivisionError):
        asyncio.run(told.latest.answer("a", lambda: 1 / 0, told.done.append))
    assert "the terminal" in told.failed[1]
    asyncio.run(told.latest.answer("a", lambda: 5, told.done.append))
    assert told.done == [5]
    assert told.busy == [True, False] * 3
