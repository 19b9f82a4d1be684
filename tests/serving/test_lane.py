"""Overload is turned away at once, and recovered from."""

import asyncio
import threading
import time

import pytest

from hilander.serving.bodies import BytesInFlight
from hilander.serving.lane import Lane
from hilander.serving.refusals import Refusal


def test_what_does_not_fit_is_refused_at_once_and_later_served():
    async def overload():
        lane, hold = Lane("test", max_running=1, max_waiting=2), threading.Event()
        held = [asyncio.create_task(lane.run(hold.wait, most_seconds=30)) for _ in range(3)]
        await asyncio.sleep(0.05)
        started = time.monotonic()
        with pytest.raises(Refusal) as refused:
            await lane.run(lambda: None, most_seconds=30)
        assert refused.value.status == 429
        assert refused.value.headers == {"Retry-After": "1"}
        assert time.monotonic() - started < 1
        hold.set()
        await asyncio.gather(*held)
        await asyncio.sleep(0.05)
        assert await lane.run(lambda: "served", most_seconds=30) == "served"
        assert lane.taken == 0
        lane.close()

    asyncio.run(overload())


def test_a_call_that_takes_too_long_is_answered_and_keeps_its_place_until_it_ends():
    async def overstay():
        lane, hold = Lane("test", max_running=1, max_waiting=0), threading.Event()
        with pytest.raises(Refusal, match="no answer within"):
            await lane.run(hold.wait, most_seconds=0.05)
        with pytest.raises(Refusal, match="limit"):
            lane.check_room()
        hold.set()
        await asyncio.sleep(0.2)
        lane.check_room()
        lane.close()

    asyncio.run(overstay())


def test_bodies_in_memory_are_bounded_and_let_go():
    in_flight = BytesInFlight(100)
    with in_flight.account() as first, in_flight.account() as second:
        first.charge(60)
        with pytest.raises(Refusal, match="100 bytes") as refused:
            second.charge(41)
        assert refused.value.status == 429
        second.charge(40)
    assert in_flight.held == 0


def test_an_error_of_a_call_is_its_callers():
    def fail():
        raise ValueError("mine")

    async def run():
        lane = Lane("test", 1, 1)
        with pytest.raises(ValueError, match="mine"):
            await lane.run(fail, most_seconds=5)
        lane.close()

    asyncio.run(run())
