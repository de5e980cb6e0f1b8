"""A thousand tasks and one token, with both GSPs: renewed once, also if a caller fails or is cancelled."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Literal

import attrs
import pytest

from ims_async import GatewayUnavailable, ImsClient, InvalidInput, MemoryCredentialStore, Taxpayer
from ims_async.gsp.base import Token
from ims_async.net.transport import MemoryTransport
from ims_async.simulator import Simulator

from ..conftest import LOGIN, ONE_TRY, dialect, make_client, make_gsp, plan
from ..support.sweeps import stride

pytestmark = [pytest.mark.looptime, pytest.mark.both_gsps, pytest.mark.sim(invoices=0, taxpayers=1)]

TASKS = 1000
MANY = TASKS // stride(4)
EACH_KIND = pytest.mark.parametrize("kind", ["account", "taxpayer"])


class Late:
    """A way into a simulator on which answers to an operation take a while: the first so long, and so on."""

    def __init__(self, sim: Simulator) -> None:
        self._way = MemoryTransport(sim.transport, clock=sim.now)
        self.delays: dict[str, list[float]] = {}

    async def send(self, request: Any) -> Any:
        """Answer late, as the gateway saw things when the request arrived."""
        answer = await self._way.send(request)
        if delays := self.delays.get(request.operation):
            await asyncio.sleep(delays.pop(0))
        return answer

    async def aclose(self) -> None:
        """Nothing to close."""


class Broken(MemoryCredentialStore):
    """A store of which a step hangs or fails, once a test makes it."""

    def __init__(self) -> None:
        super().__init__()
        self.broken: dict[str, Literal["hangs", "fails"]] = {}

    async def _step(self, name: str) -> None:
        if self.broken.get(name) == "hangs":
            await asyncio.Event().wait()
        elif self.broken.get(name) == "fails":
            raise OSError("tok_secret")

    async def load(self, account: str, gstin: str) -> Token | None:
        """Look it up, or not."""
        await self._step("load")
        return await super().load(account, gstin)

    async def save(self, account: str, gstin: str, token: Token | None) -> None:
        """Keep it, or not."""
        await self._step("save")
        await super().save(account, gstin, token)


@attrs.frozen
class Case:
    """One kind of token with one GSP: a call that carries it, and what its refusal and renewal are called."""

    sim: Simulator
    client: ImsClient
    way: Late
    taxpayer: Taxpayer
    call: Callable[[], Coroutine[Any, Any, object]]
    operation: str
    stale: str
    renewal: str

    @property
    def renewals(self) -> int:
        """How often the token was renewed."""
        return self.sim.count(self.renewal)

    @property
    def token(self) -> Token:
        """The token at hand."""
        session = vars(self.taxpayer)["_session"]
        held: Token = (session if self.renewal == "refresh" else session._account).held
        return held

    def refuse(self, times: int) -> None:
        """Refuse so many of the next calls because their token has ended."""
        for _ in range(times):
            plan(self.sim, self.operation, self.stale)


async def ready(sim: Simulator, kind: str, gsp_name: str, **settings: Any) -> Case:
    """Return a case whose token has been had and used."""
    way = Late(sim)
    login = LOGIN if gsp_name == "vayana" else {}
    client = make_client(sim, gsp=make_gsp(sim, **login), transport=way, retry=ONE_TRY, **settings)
    person = sim.taxpayers[0]
    taxpayer = client.taxpayer(person.gstin, token=sim.token(person.gstin), check=False)
    logs_in = (kind, gsp_name) == ("account", "sandbox")
    case = Case(
        sim=sim,
        client=client,
        way=way,
        taxpayer=taxpayer,
        call=(lambda: taxpayer.request_otp(person.username)) if logs_in else taxpayer.counts,
        operation="otp" if logs_in else "count",
        stale="stale_token" if kind == "account" else "stale_session",
        renewal="refresh" if kind == "taxpayer" else "authenticate" if logs_in else dialect().renewal,
    )
    await case.call()
    return case


@EACH_KIND
async def test_a_thousand_refusals_make_one_renewal(kind: str, gsp_name: str, sim: Simulator) -> None:
    """All thousand are sent again with the one new token."""
    case = await ready(sim, kind, gsp_name)
    old, before = case.token, case.renewals
    case.way.delays[case.renewal] = [1.0]
    case.refuse(TASKS)
    await asyncio.gather(*(case.call() for _ in range(TASKS)))
    assert case.renewals == before + 1
    assert case.token is not old
    assert sim.count(case.operation) == 1 + 2 * TASKS


@EACH_KIND
async def test_refusals_that_come_late_renew_nothing(kind: str, gsp_name: str, sim: Simulator) -> None:
    """They are about the token that is gone; the one that came instead stays, and no store helps."""
    store = Broken()
    case = await ready(sim, kind, gsp_name, credentials=store)
    store.broken["load"] = "fails"
    before = case.renewals
    case.way.delays[case.operation] = [60.0] * MANY
    case.refuse(MANY + 1)
    late = [asyncio.create_task(case.call()) for _ in range(MANY)]
    await asyncio.sleep(1.0)
    await case.call()  # refused at once, and renewed
    renewed = case.token
    await asyncio.gather(*late)
    assert case.renewals == before + 1
    assert case.token is renewed


@EACH_KIND
async def test_a_renewal_that_fails_fails_once_for_all_and_is_tried_anew(
    kind: str, gsp_name: str, sim: Simulator
) -> None:
    """One request and one error for all that wait; the next caller asks the gateway again."""
    case = await ready(sim, kind, gsp_name)
    before = case.renewals
    case.way.delays[case.renewal] = [1.0]
    case.refuse(MANY + 1)
    plan(sim, case.renewal, "down")
    results = await asyncio.gather(*(case.call() for _ in range(MANY)), return_exceptions=True)
    assert len({id(result) for result in results}) == 1
    assert isinstance(results[0], GatewayUnavailable)
    assert case.renewals == before + 1
    await case.call()
    assert case.renewals == before + 2


@EACH_KIND
async def test_callers_who_go_away_stop_no_renewal(kind: str, gsp_name: str, sim: Simulator) -> None:
    """The first, who began it, and every tenth; the others get their answers."""
    case = await ready(sim, kind, gsp_name)
    before = case.renewals
    case.way.delays[case.renewal] = [10.0]
    case.refuse(MANY)
    callers = [asyncio.create_task(case.call()) for _ in range(MANY)]
    await asyncio.sleep(5.0)
    for caller in callers[::10]:
        caller.cancel()
    results = await asyncio.gather(*callers, return_exceptions=True)
    assert [isinstance(result, BaseException) for result in results] == ([True] + [False] * 9) * (MANY // 10)
    assert case.renewals == before + 1


# -- a store that is of no help ------------------------------------------------------------------------


@EACH_KIND
@pytest.mark.parametrize("how", ["hangs", "fails"])
@pytest.mark.parametrize("step", ["load", "save"])
async def test_a_store_of_no_help_costs_no_live_session(
    step: str,
    how: Literal["hangs", "fails"],
    kind: str,
    gsp_name: str,
    sim: Simulator,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The token is renewed once and used; a warning says so without the store's words."""
    store = Broken()
    case = await ready(sim, kind, gsp_name, credentials=store)
    before, began = case.renewals, sim.now()
    store.broken[step] = how
    case.refuse(20)
    with caplog.at_level(logging.WARNING, "ims_async"):
        await asyncio.gather(*(case.call() for _ in range(20)))
    assert case.renewals == before + 1
    assert sim.now() - began < 11.0
    assert "could not be" in caplog.text
    assert "tok_secret" not in caplog.text


async def test_a_store_that_hangs_before_there_is_a_token_is_named(sim: Simulator) -> None:
    """No caller waits for ever, and none that may have a session is asked to log in."""
    store = Broken()
    store.broken["load"] = "hangs"
    taxpayer = make_client(sim, credentials=store).taxpayer(sim.gstins[0], check=False)
    results = await asyncio.gather(*(taxpayer.counts() for _ in range(MANY)), return_exceptions=True)
    assert {type(result) for result in results} == {InvalidInput}
    assert "did not answer within 10 s" in str(results[0])
    assert not sim.count("count")


# -- closing -------------------------------------------------------------------------------------------


@EACH_KIND
@pytest.mark.parametrize("seconds", [5.0, 100.0])
async def test_a_session_that_is_closed_lets_a_renewal_land_if_it_does_so_soon(
    seconds: float, kind: str, gsp_name: str, sim: Simulator
) -> None:
    """The gateway may have ended the old token for it: what came instead has to reach the store."""
    case = await ready(sim, kind, gsp_name)
    old = case.token
    case.way.delays[case.renewal] = [seconds]
    case.refuse(1)
    caller = asyncio.create_task(case.call())
    await asyncio.sleep(1.0)
    session = vars(case.taxpayer)["_session"]
    began = sim.now()
    await (session if kind == "taxpayer" else session._account).aclose()
    assert sim.now() - began == pytest.approx(min(seconds - 1.0, 10.0))
    assert (case.token is not old) == (seconds < 10.0)
    await asyncio.wait([caller])
    assert caller.cancelled() == (seconds > 10.0)
