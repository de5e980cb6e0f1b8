"""What the gateway's answers say of its budget, and the whole client over a simulator that keeps one."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ims_async import GatewayError, ImsClient, PollPolicy, RateLimit, Section
from ims_async.gsp.base import VerdictKind
from ims_async.net.credentials import Credentials
from ims_async.net.transport import MemoryTransport
from ims_async.simulator import Simulator

from ..conftest import make_client
from ..gsp.test_sandbox_wire import failure, fine, judge, refused
from ..support import recorded as tape
from ..support.recorded import NOW
from .test_exchange import READ, Script, answer, asking, exchange
from .test_pacing import EPOCH, now

pytestmark = pytest.mark.looptime

# -- what an answer says of it -------------------------------------------------------------------------

LEFT_SEVEN = {"x_ratelimit_remaining": "7", "x_ratelimit_reset": str(int(NOW) + 60)}


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, fine(data={})), (200, b"x" * 20_000), (200, refused("RET11402")), (400, failure(400)),
     (403, failure(403)), (500, None), (500, failure(422)), (503, None)],
)  # fmt: skip
def test_what_is_left_is_told_with_whatever_answer(status: int, body: Any) -> None:
    """Good or not; while something is left nothing has to wait."""
    verdict = judge(tape.answer(status, body, **LEFT_SEVEN))
    assert verdict.allowance == (7, NOW + 60)
    assert verdict.not_before is None


def test_the_documented_answers_tell_what_is_left() -> None:
    """119 of 120 requests, until a minute later."""
    assert judge(tape.recorded("sandbox/save-200")).allowance == (119, NOW + 60)


@pytest.mark.parametrize(
    ("status", "headers"),
    [(200, {"x_ratelimit_remaining": "0"}), (429, {}), (503, {"retry_after": "60"})],
)
def test_what_has_to_wait_is_told_nothing_else(status: int, headers: dict[str, str]) -> None:
    """A "not before" says it all."""
    verdict = judge(tape.answer(status, None if status > 200 else fine(data={}), **(LEFT_SEVEN | headers)))
    assert (verdict.not_before, verdict.allowance) == (NOW + 60, None)


@pytest.mark.parametrize("reset", [None, "", "soon", "nan", "inf", "1e999", "1746530992 s"])
@pytest.mark.parametrize("status", [200, 400])
def test_without_a_readable_end_nothing_is_told(status: int, reset: str | None) -> None:
    """What is left is left until when?"""
    headers = {} if reset is None else {"x_ratelimit_reset": reset}
    body = fine(data={}) if status == 200 else failure(400)
    verdict = judge(tape.answer(status, body, x_ratelimit_remaining="7", **headers))
    assert (verdict.not_before, verdict.allowance) == (None, None)


@pytest.mark.parametrize(
    "left", ["", "-1", "-0", "+7", "7.0", "7e1", "1_0", "0x7", "seven", "nan", "inf", "٣", "²", "7, 6",
             "9" * 10, "9" * 5000],
    ids=lambda left: left[:12],
)  # fmt: skip
def test_what_is_no_count_is_not_heard(left: str) -> None:
    """Nothing that is not a whole number of requests, in digits, that a gateway could mean."""
    verdict = judge(tape.answer(200, fine(data={}), **(LEFT_SEVEN | {"x_ratelimit_remaining": left})))
    assert (verdict.kind, verdict.not_before, verdict.allowance) == (VerdictKind.FINE, None, None)


@pytest.mark.parametrize(("left", "count"), [(" 7 ", 7), ("007", 7), ("00", 0), ("9" * 9, 999_999_999)])
def test_a_count_is_read_however_it_is_padded(left: str, count: int) -> None:
    """Spaces and zeros mean nothing."""
    verdict = judge(tape.answer(200, fine(data={}), **(LEFT_SEVEN | {"x_ratelimit_remaining": left})))
    assert verdict.allowance == (count, NOW + 60)


FIGURES = st.text("0123456789 +-.,e_٣²", max_size=12) | st.text(max_size=12)


@given(left=FIGURES, reset=FIGURES)
def test_any_text_at_all_is_a_count_or_not_heard(left: str, reset: str) -> None:
    """Headers are whatever a gateway sends."""
    told = {"x_ratelimit_remaining": left, "x_ratelimit_reset": reset}
    verdict = judge(tape.answer(200, fine(data={}), **told))
    if verdict.allowance is not None:
        assert verdict.allowance == (int(left), float(reset))
        assert left.strip().isdigit()


@pytest.mark.parametrize(("reset", "held_until"), [(40.0, 40.0), (119.0, 119.0), (121.0, 0.0), (1e9, 0.0)])
@pytest.mark.parametrize("status", [200, 400])
async def test_an_exchange_hears_it_unless_the_end_is_too_far(
    status: int, reset: float, held_until: float
) -> None:
    """Up to the policy's `max_hint` of two minutes; no header delays a request for longer."""
    said = answer(status, x_ratelimit_remaining="2", x_ratelimit_reset=str(EPOCH + reset))
    script = Script(said, answer())
    way = exchange(script)
    for _ in range(4):
        try:
            await way.run(asking(READ), Credentials())
        except GatewayError:
            assert status == 400
    assert script.times == pytest.approx([0.0, 0.0, 0.0, held_until], abs=0.01)


# -- the whole client ----------------------------------------------------------------------------------


@pytest.mark.sim(rate_limit=100, invoices=0)
async def test_a_gateway_with_the_same_budget_never_answers_429(sim: Simulator) -> None:
    """It counts in windows of its own, which begin with a request of another client."""
    other, client = make_client(sim), make_client(sim, rate=RateLimit(98))
    gstin = sim.gstins[0]

    async def ask(asker: ImsClient) -> None:
        await asker.taxpayer(gstin, token=token, check=False).counts()

    token = sim.token(gstin)
    await ask(other)
    await asyncio.sleep(31.0)
    await asyncio.gather(*(ask(client) for _ in range(300)))
    assert sim.count("count") == 301
    assert {request.status for request in sim.requests} == {200}


@pytest.mark.sim(rate_limit=100, invoices=0)
async def test_a_client_alone_may_use_the_whole_budget(sim: Simulator) -> None:
    """A thousand requests at a hundred a minute take nine minutes, and not one is refused.

    The gateway names the end of each window in whole seconds, which costs up to one more each time.
    """
    client = make_client(sim, rate=RateLimit(100))
    taxpayer = client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]), check=False)
    await asyncio.gather(*(taxpayer.counts() for _ in range(1000)))
    assert {request.status for request in sim.requests} == {200}
    assert 540.0 <= now() < 550.0


class Slow:
    """A way into a simulator on which an answer takes between 0.2 and 1 s, no two alike."""

    def __init__(self, sim: Simulator) -> None:
        self._way = MemoryTransport(sim.transport, clock=sim.now)
        self._delays = itertools.cycle(0.2 + 0.8 * (place * 37 % 101) / 100 for place in range(101))

    async def send(self, request: Any) -> Any:
        """Hand it over at once; the answer is late."""
        answered = await self._way.send(request)
        await asyncio.sleep(next(self._delays))
        return answered

    async def aclose(self) -> None:
        """Nothing to close."""


@pytest.mark.sim(rate_limit=120, invoices=0)
async def test_a_client_alone_may_use_the_whole_budget_however_late_its_answers_are(sim: Simulator) -> None:
    """With 64 requests under way, whose answers come in another order: the budget is still there."""
    client = make_client(sim, rate=RateLimit(118), transport=Slow(sim))
    taxpayer = client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]), check=False)
    todo = iter(range(10 * 118))

    async def work() -> None:
        for _ in todo:
            await taxpayer.counts()

    await asyncio.gather(*(work() for _ in range(64)))
    assert {request.status for request in sim.requests} == {200}
    assert now() < 10 * 65.0


@pytest.mark.sim(rate_limit=100, invoices=0)
async def test_what_another_process_uses_is_heard_of(sim: Simulator) -> None:
    """The same key, a budget of nearly all of it each, and no request of either is refused."""
    other, client = make_client(sim), make_client(sim, rate=RateLimit(98))
    token = sim.token(sim.gstins[0])
    theirs, ours = (asker.taxpayer(sim.gstins[0], token=token, check=False) for asker in (other, client))
    for _ in range(60):
        await theirs.counts()
    await ours.counts()
    await asyncio.gather(*(ours.counts() for _ in range(300)))
    assert sim.count("count") == 361
    assert {request.status for request in sim.requests} == {200}
    assert sum(request.at < sim.requests[0].at + 60.0 for request in sim.requests) == 100


@pytest.mark.both_gsps
@pytest.mark.sim(rate_limit=30, taxpayers=6, invoices=60, job_seconds=100.0)
async def test_saves_of_many_go_before_all_their_polls(sim: Simulator) -> None:
    """Polls alone would take more than the budget. No request is refused, and no save waits for a poll."""
    poll = PollPolicy(initial_delay=1.0, factor=1.0, max_interval=2.0)
    client, waits = make_client(sim, rate=RateLimit(28), poll=poll, transport=Slow(sim)), []

    async def work(gstin: str) -> None:
        taxpayer = client.taxpayer(gstin, token=sim.token(gstin), check=False)
        invoices = await taxpayer.invoices(Section.B2B)
        for place in range(4):
            asked_at = sim.now()
            job = await taxpayer.save([invoice.accept() for invoice in invoices[place::4]])
            waits.append((asked_at, sim.now()))
            assert (await job).ok

    await asyncio.gather(*map(work, sim.gstins))
    polls = [request.at for request in sim.requests if request.operation in ("status", "result")]
    assert {request.status for request in sim.requests} == {200}
    assert (sim.count("save"), len(waits)) == (24, 24)
    assert any(answered_at - asked_at > 1.0 for asked_at, answered_at in waits)
    for asked_at, answered_at in waits:
        assert not [at for at in polls if asked_at < at < answered_at]
    assert len(polls) > 24 * 3


@pytest.mark.sim(rate_limit=5, taxpayers=10, invoices=3)
async def test_a_client_alone_may_use_the_whole_budget_for_changes(sim: Simulator) -> None:
    """The request whose answer says what is left is counted in it: the fifth leaves at once too."""
    client = make_client(sim, rate=RateLimit(5))
    taxpayers = [client.taxpayer(gstin, token=sim.token(gstin)) for gstin in sim.gstins]
    read = [await taxpayer.all_invoices().__anext__() for taxpayer in taxpayers]
    await asyncio.sleep(120.0)
    begun = len(sim.requests)
    for taxpayer, invoice in zip(taxpayers, read, strict=True):
        await taxpayer.save([invoice.accept()])
    since = sim.requests[begun].at
    times = [request.at - since for request in sim.requests[begun:]]
    assert times == pytest.approx([0.0] * 5 + [60.0] * 5, abs=1.0)  # windows end in whole seconds
