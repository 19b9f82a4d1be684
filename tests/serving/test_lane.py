"""Overload is turned away at once, and recovered from."""

import asyncio
import gc
import threading
import time
import weakref
from functools import partial

import pytest
from starlette.requests import Request

from hilander.serving.bodies import BytesInFlight, while_connected
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


def test_a_body_that_alone_is_too_much_is_not_to_be_sent_again():
    in_flight = BytesInFlight(100)
    with in_flight.account() as account:
        account.charge(60)
        with pytest.raises(Refusal, match="at most 100 bytes, got 101") as refused:
            account.charge(41)
    assert refused.value.status == 413


def test_an_error_of_a_call_is_its_callers():
    def fail():
        raise ValueError("mine")

    async def run():
        lane = Lane("test", 1, 1)
        with pytest.raises(ValueError, match="mine"):
            await lane.run(fail, most_seconds=5)
        lane.close()

    asyncio.run(run())


def test_a_call_that_began_late_is_to_be_sent_again_and_not_smaller():
    async def queue():
        lane = Lane("test", max_running=1, max_waiting=1)
        first = asyncio.create_task(lane.run(partial(time.sleep, 0.4), most_seconds=30))
        await asyncio.sleep(0.05)
        with pytest.raises(Refusal, match="before the turn came") as refused:
            await lane.run(partial(time.sleep, 0.4), most_seconds=0.5)
        assert (refused.value.status, refused.value.headers) == (429, {"Retry-After": "1"})
        await first
        lane.close()

    asyncio.run(queue())


@pytest.mark.parametrize("left", [False, True], ids=["no turn in time", "caller left"])
def test_what_no_longer_waits_is_never_called_and_holds_nothing(left):
    class Body:
        pass

    async def leave():
        lane, hold, body = Lane("test", max_running=1, max_waiting=1), threading.Event(), Body()
        held, called = weakref.ref(body), []
        running = asyncio.create_task(lane.run(hold.wait, most_seconds=30))
        waiting = asyncio.create_task(lane.run(partial(called.append, body), most_seconds=30 if left else 0.1))
        del body
        await asyncio.sleep(0.2)
        if left:
            waiting.cancel()
        await asyncio.wait([waiting])
        del waiting
        await asyncio.sleep(0.05)
        gc.collect()
        assert (held(), lane.taken) == (None, 1)
        hold.set()
        await running
        assert not called
        lane.close()

    asyncio.run(leave())


def test_a_caller_who_left_keeps_nobody_waiting():
    async def leave():
        lane, hold, called = Lane("test", max_running=1, max_waiting=1), threading.Event(), []
        messages = asyncio.Queue()
        request = Request({"type": "http", "method": "POST", "headers": []}, messages.get)
        running = asyncio.create_task(while_connected(request, lane.run(hold.wait, most_seconds=30)))
        working = lane.run(partial(called.append, 1), most_seconds=30)
        waiting = asyncio.create_task(while_connected(request, working))
        await asyncio.sleep(0.05)
        await messages.put({"type": "http.disconnect"})
        await messages.put({"type": "http.disconnect"})
        for task in (running, waiting):
            with pytest.raises(Refusal, match="connection ended"):
                await task
        await asyncio.sleep(0.05)
        assert lane.taken == 1  # what runs cannot be stopped
        hold.set()
        stays = Request({"type": "http", "method": "POST", "headers": []}, messages.get)
        assert await while_connected(stays, lane.run(lambda: "served", most_seconds=30)) == "served"
        assert not called
        lane.close()

    asyncio.run(leave())
