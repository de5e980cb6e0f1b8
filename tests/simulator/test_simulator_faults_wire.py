"""Faults that a test scripts, on the socket: what is on the wire, to the byte."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator

import pytest

from ims_async.simulator import Fault, Simulator
from tests.support.sockets import skipping_time, turns

from .simulator_saves import Wire, a_save

BOTH = pytest.mark.parametrize("gsp", ["sandbox", "vayana"])


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """One taxpayer whose jobs take no time, on a socket."""
    async with Simulator(invoices=40, job_seconds=0) as simulator:
        yield simulator


@pytest.fixture
async def wire(simulator: Simulator) -> AsyncIterator[Wire]:
    """A connection to it."""
    wire = await Wire.to(simulator)
    yield wire
    await wire.close()


async def send(simulator: Simulator, wire: Wire, fault: Fault, gsp: str = "sandbox") -> None:
    """Send a save that meets a fault."""
    call = a_save(simulator, gsp)
    simulator.script_fault("save", fault)
    await wire.send(call)


async def arrived(simulator: Simulator) -> None:
    """Wait until the gateway has seen the save."""
    while not simulator.count("save"):
        await asyncio.sleep(0)


@BOTH
@pytest.mark.parametrize("effect", [False, True])
async def test_a_drop_leaves_nothing_on_the_wire(
    gsp: str, effect: bool, simulator: Simulator, wire: Wire
) -> None:
    """The request was read and remembered; whether it took effect does not show."""
    await send(simulator, wire, Fault.drop_after() if effect else Fault.drop_before(), gsp)
    assert await wire.rest() == b""
    assert len(simulator.effects) == effect
    assert simulator.requests[-1].status == 0
    assert simulator.requests[-1].fault.startswith("drop_")


@pytest.mark.parametrize("effect", [False, True])
async def test_half_open_is_silence_until_the_caller_hangs_up(effect: bool, simulator: Simulator) -> None:
    """However long that is; then no handler is left waiting."""
    wire = await Wire.to(simulator)
    running = asyncio.all_tasks()
    await send(simulator, wire, Fault.half_open(effect=effect))
    await arrived(simulator)
    with skipping_time() as time:
        time.skip(3600.0)()
        await turns()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(wire.piece(), 0.01)
    await wire.close()
    await turns(100)
    assert asyncio.all_tasks() <= running
    assert len(simulator.effects) == effect


@BOTH
@pytest.mark.parametrize(("size", "kept"), [(0, 0), (20, 20), (10_000, -1)])
async def test_a_truncated_answer_announces_its_full_length(
    gsp: str, size: int, kept: int, simulator: Simulator, wire: Wire
) -> None:
    """So many bytes of it come, never all, and then the end."""
    await send(simulator, wire, Fault.truncate(size), gsp)
    line, headers, body = await wire.answer()
    announced = int(headers["content-length"])
    assert (line, headers["content-type"]) == ("HTTP/1.1 200 OK", "application/json")
    assert len(body) == (kept if kept >= 0 else announced - 1)
    assert await wire.rest() == b""
    assert len(simulator.effects) == 1


async def test_what_says_to_be_gzip_is_not(simulator: Simulator, wire: Wire) -> None:
    """It begins like it, and breaks."""
    await send(simulator, wire, Fault.garbage_gzip())
    line, headers, body = await wire.answer()
    assert (line, headers["content-encoding"]) == ("HTTP/1.1 200 OK", "gzip")
    with pytest.raises(zlib.error):
        gzip.decompress(body)


@BOTH
async def test_a_refusal_and_its_headers_are_written(gsp: str, simulator: Simulator, wire: Wire) -> None:
    """The connection is kept, and the next request is served."""
    call = a_save(simulator, gsp)
    simulator.script_fault("save", Fault.throttled(2.5), *Fault.burst(1, 502))
    seen = []
    for _ in range(3):
        await wire.send(call)
        line, headers, _ = await wire.answer()
        seen.append((line, headers.get("retry-after")))
    assert seen == [
        ("HTTP/1.1 429 Too Many Requests", "2.5"),
        ("HTTP/1.1 502 Bad Gateway", None),
        ("HTTP/1.1 200 OK", None),
    ]


async def test_a_delayed_answer_takes_effect_at_once(simulator: Simulator, wire: Wire) -> None:
    """The answer is the true one, and comes when its time has come."""
    with skipping_time() as time:
        await send(simulator, wire, Fault.delay(30.0))
        await arrived(simulator)
        assert len(simulator.effects) == 1
        answer = asyncio.create_task(wire.answer())
        time.skip(29.0)()
        await turns(50)
        assert not answer.done()
        time.skip(1.5)()
        line, _, body = await answer
    assert (line, json.loads(body)["code"]) == ("HTTP/1.1 200 OK", 200)


async def test_a_slow_answer_comes_in_pieces(simulator: Simulator, wire: Wire) -> None:
    """So many bytes at a time with so long between; nothing is missing in the end."""
    with skipping_time() as time:
        await send(simulator, wire, Fault.slow(50, 30.0))
        pieces = [await wire.piece()]
        head, _, first = pieces[0].partition(b"\r\n\r\n")
        announced = int(head.lower().partition(b"content-length:")[2].split()[0])
        body = first
        while len(body) < announced:
            waiting = asyncio.create_task(wire.piece())
            await turns(50)
            assert not waiting.done()
            time.skip(30.0)()
            pieces.append(await waiting)
            body += pieces[-1]
    assert {len(piece) for piece in [first, *pieces[1:-1]]} == {50}
    assert json.loads(body)["code"] == 200


async def test_an_answer_comes_twice(simulator: Simulator, wire: Wire) -> None:
    """The second unasked, on the same connection, which is kept."""
    await send(simulator, wire, Fault.twice())
    (line, _, body), (again, _, repeated) = await wire.answer(), await wire.answer()
    assert (line, body) == (again, repeated)
    assert (json.loads(body)["code"], len(simulator.effects)) == (200, 1)
    await wire.send(a_save(simulator))
    assert json.loads((await wire.answer())[2]) != json.loads(body)


async def test_the_second_of_two_answers_can_come_late(simulator: Simulator, wire: Wire) -> None:
    """When the caller has long put the connection back."""
    with skipping_time() as time:
        await send(simulator, wire, Fault.twice(30.0))
        _, _, body = await wire.answer()
        again = asyncio.create_task(wire.answer())
        await turns(50)
        assert not again.done()
        time.skip(31.0)()
        assert (await again)[2] == body
