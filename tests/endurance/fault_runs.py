"""One cell of the fault matrix: an operation that meets a fault, run for real."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import ims_async
from ims_async import Action, ImsClient, ImsError, Taxpayer
from ims_async.net.transport import MemoryTransport, Transport
from ims_async.simulator import Effect, Fault, Simulator

from ..conftest import GSPS, LOGIN
from . import fault_ways as ways

_DECISIONS: Final = 2  # in each save and reset
_RECORDS: Final = 16
_RENEWALS: Final = {"refresh", "account_refresh", "authenticate"}
_PUBLIC: Final = {*ims_async.__all__, "Exception"}


@dataclass(frozen=True)
class Row:
    """A fault, and what the law says of a change that meets it."""

    title: str
    faults: tuple[Fault, ...] = ()
    trouble: ways.Trouble | None = None
    proved: bool = False
    """Whether it proves that nothing was done, so that the change may be sent again."""
    readable: bool = False
    """Whether a readable answer comes."""
    rest: float = 0.0
    """Seconds between the end of the call and the next one."""

    @property
    def wire(self) -> bool:
        """Whether it is one of the wire, which needs a socket."""
        return self.trouble is not None or any(
            fault.way != "answer" or fault.seconds or "Content-Encoding" in fault.headers
            for fault in self.faults
        )

    @property
    def twice(self) -> bool:
        """Whether the answer is followed by another one."""
        return any(fault.way == "twice" for fault in self.faults)


Call = Callable[[], Awaitable[object]]


async def _reads(acme: Taxpayer) -> list[Any]:
    return list(await acme.invoices("b2b", status=Action.NO_ACTION))[:_DECISIONS]


async def _ready_counts(acme: Taxpayer, username: str) -> Call:
    return acme.counts


async def _ready_invoices(acme: Taxpayer, username: str) -> Call:
    return lambda: acme.invoices("b2b")


async def _ready_save(acme: Taxpayer, username: str) -> Call:
    rows = await _reads(acme)
    return lambda: acme.save([row.accept() for row in rows])


async def _ready_reset(acme: Taxpayer, username: str) -> Call:
    await (await acme.save([row.accept() for row in await _reads(acme)]))
    rows = list(await acme.invoices("b2b", status=Action.ACCEPT))[:_DECISIONS]
    return lambda: acme.reset(rows)


async def _ready_poll(acme: Taxpayer, username: str) -> Call:
    job = await acme.save([row.accept() for row in await _reads(acme)])
    return job.result


async def _ready_login(acme: Taxpayer, username: str) -> Call:
    return lambda: acme.request_otp(username)


async def _ready_verify(acme: Taxpayer, username: str) -> Call:
    await acme.request_otp(username)
    return lambda: acme.verify_otp("575757")


async def _ready_refresh(acme: Taxpayer, username: str) -> Call:
    await acme.counts()
    return acme.refresh


@dataclass(frozen=True)
class Operation:
    """A column: how to get to it, and what the simulator calls its request."""

    title: str
    name: str
    ready: Callable[[Taxpayer, str], Awaitable[Call]]
    session: bool = True

    @property
    def later(self) -> bool:
        """Whether there is a session afterwards, so that something can be read."""
        return self.name != "authenticate"

    @property
    def changes(self) -> bool:
        """Whether it is a save or reset."""
        return self.name in ("save", "reset")


OPERATIONS: Final = (
    Operation("counts", "count", _ready_counts),
    Operation("invoices", "invoices", _ready_invoices),
    Operation("save", "save", _ready_save),
    Operation("reset", "reset", _ready_reset),
    Operation("poll of a job", "status", _ready_poll),
    Operation("account login", "authenticate", _ready_login, session=False),
    Operation("OTP verify", "verify", _ready_verify, session=False),
    Operation("session refresh", "refresh", _ready_refresh),
)


@dataclass(frozen=True)
class Cell:
    """What a caller saw, and what the gateway did."""

    outcome: str
    """The name of the error; empty for a result."""
    tries: int
    """How often the request was sent, or tried to be."""
    renewed: bool = False
    """Whether a credential was renewed on the way."""
    seen: int = 0
    """How many of these requests began to arrive at a server."""
    applied: int = 0
    """How often a decision took effect, at most."""
    unfinished: bool = False
    """Whether the client lists a job of which it is not known what became."""
    mixed_up: bool = False
    """Whether the next read failed, or returned what is not so."""

    def words(self, operation: Operation) -> str:
        """Say it shortly."""
        said = f"`{self.outcome}`" if self.outcome else self._result(operation)
        if self.outcome and self.tries > 1 and self.outcome != "JobTimeout":
            said += f" after {self.tries} tries"
        if operation.changes:
            said += ", in `unfinished`" if self.outcome and self.unfinished else ""
            said += f"; seen {self.seen}, applied {self.applied}"
        return said + ("; the next read went wrong" if self.mixed_up else "")

    def _result(self, operation: Operation) -> str:
        if self.tries == 1:
            return "result"
        again = "absorbed" if operation.name == "status" else "tried again"
        return f"{'renewed' if self.renewed else again}, result"


async def run(gsp: str, operation: Operation, row: Row, *, times: int = 1) -> Cell:
    """Let one operation meet a fault, so many times at most, with every policy as it is by default."""
    async with ways.hurrying(), contextlib.AsyncExitStack() as stack:
        sim = Simulator(invoices=_RECORDS, sections=["b2b"], job_seconds=1.0)
        facts: dict[str, Any] = LOGIN if gsp == "vayana" and not operation.session else {}
        way: Transport = MemoryTransport(sim.transport, clock=sim.now)
        if row.wire:
            await stack.enter_async_context(sim)
            way, facts = ways.one_connection(sim.now), {**facts, "base_url": sim.url}
        detour = ways.Detour(way)
        client = ImsClient(GSPS[gsp](sim, **facts), transport=detour, clock=sim.now)
        await stack.enter_async_context(client)
        person = sim.taxpayers[0]
        acme = client.taxpayer(person.gstin, token=sim.token(person.gstin) if operation.session else None)
        call = await operation.ready(acme, person.username)
        before, effects, seen = len(sim.requests), len(sim.effects), ways.Seen()
        outcome = await _meet(call, sim, detour, operation, row, seen, times)
        asked = [request.operation for request in sim.requests[before:]]
        met = [request.fault for request in sim.requests if request.fault]
        assert met or not row.faults, f"{row.title} was not met by {operation.title}"
        await asyncio.sleep(row.rest)
        unfinished = operation.changes and bool(await client.unfinished())
        mixed_up = row.twice and operation.later and await _is_mixed_up(acme, operation)
        sim.advance(3600.0)
        arrived = asked.count(operation.name)
        return Cell(
            outcome=outcome,
            tries=arrived + detour.taken,
            renewed=bool(_RENEWALS - {operation.name} & {*asked}),
            seen=arrived + seen.count,
            applied=_most(sim.effects[effects:]),
            unfinished=unfinished,
            mixed_up=mixed_up,
        )


async def _meet(
    call: Call,
    sim: Simulator,
    detour: ways.Detour,
    operation: Operation,
    row: Row,
    seen: ways.Seen,
    times: int,
) -> str:
    """Make the call, and return the public name of the error that it raised, if any."""
    async with contextlib.AsyncExitStack() as stack:
        if row.trouble:
            url = await stack.enter_async_context(row.trouble(seen, detour))
            detour.lead(operation.name, url, times if url else 0)
        sim.script_fault(operation.name, *row.faults * times)
        try:
            await call()
        except Exception as error:  # noqa: BLE001 # whatever it is, it is what a caller sees
            return next(kind.__name__ for kind in type(error).__mro__ if kind.__name__ in _PUBLIC)
    return ""


async def _is_mixed_up(acme: Taxpayer, operation: Operation) -> bool:
    """Read something else, and look whether that is what comes."""
    try:
        total = len(await acme.invoices("b2b")) if operation.name == "count" else (await acme.counts()).total
    except ImsError:
        return True
    return total != _RECORDS


def _most(effects: Iterable[Effect]) -> int:
    keys = [(effect.section, effect.supplier, effect.number, effect.period) for effect in effects]
    return max(map(keys.count, keys), default=0)
