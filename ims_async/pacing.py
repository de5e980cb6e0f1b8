"""How fast: a budget of our own where one is set, and the gateway's "not before" always.

A sliding window lets the full burst through and then never more than the budget in any 60 seconds, so
that a gateway with the same budget has no reason to answer 429. A request counts until 60 seconds after
its answer: when it reached the gateway in between, only the gateway knows.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict, deque
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

import attrs

from .errors import ClientClosed, InvalidInput

_SPAN: Final = 60.05  # seconds; a little over the minute, since no two clocks run alike


@attrs.frozen
class RateLimit:
    """A budget of requests per minute, for the account and, if given, for each GSTIN."""

    per_minute: int = attrs.field()
    per_gstin: int | None = attrs.field(default=None)

    @per_minute.validator
    @per_gstin.validator
    def _check(self, attribute: attrs.Attribute[int | None], value: int | None) -> None:
        if value is None and attribute.name == "per_gstin":
            return
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise InvalidInput(f"{attribute.name} {value!r} must be a whole number of requests, at least 1")


class _Window:
    """The requests under way and those answered within the last minute, against a limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._under_way = 0
        self._answered: deque[float] = deque()

    def opens_at(self, now: float) -> float:
        """Return when one more may leave: not after `now` if at once, `inf` if an answer decides."""
        while self._answered and self._answered[0] + _SPAN <= now:
            self._answered.popleft()
        if self._under_way + len(self._answered) < self._limit:
            return now
        return self._answered[0] + _SPAN if self._answered else math.inf

    def enter(self) -> None:
        self._under_way += 1

    def leave(self, now: float, *, used: bool) -> None:
        self._under_way -= 1
        if used:
            self._answered.append(now)

    def idle(self, now: float) -> bool:
        self.opens_at(now)
        return not self._under_way and not self._answered


class Turn:
    """One request's leave to go: `async with pacer.turn(gstin):` around the sending of it."""

    __slots__ = ("_pacer", "_used", "_windows", "ahead", "gstin", "leave")

    def __init__(self, pacer: Pacer, gstin: str, *, ahead: bool) -> None:
        self._pacer, self.gstin, self.ahead = pacer, gstin, ahead
        self.leave: asyncio.Future[None] | None = None
        self._windows: tuple[_Window, ...] = ()
        self._used = True

    def give_back(self) -> None:
        """Say that nothing was sent after all: the turn does not count."""
        self._used = False

    def begin(self, windows: tuple[_Window, ...]) -> None:
        """Let it go: from now on it counts."""
        self._windows = windows
        for window in windows:
            window.enter()
        if self.leave is not None:
            self.leave.set_result(None)

    def end(self, now: float) -> None:
        """Count it for one more minute."""
        windows, self._windows = self._windows, ()
        for window in windows:
            window.leave(now, used=self._used)

    async def __aenter__(self) -> Self:
        await self._pacer.wait(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pacer.done(self)


class Pacer:
    """Lets requests out as budget and gateway allow: in order within a GSTIN, the GSTINs by turns.

    `clock` is wall time (epoch seconds), which is what gateways name in their hints; the waiting itself
    goes by the event loop's clock, which nobody sets back.
    """

    def __init__(self, rate: RateLimit | None, *, clock: Callable[[], float]) -> None:
        self._rate, self._clock = rate, clock
        self._account = _Window(rate.per_minute) if rate else None
        self._gstins: dict[str, _Window] = {}
        self._swept_at = -math.inf
        self._lines: OrderedDict[str, deque[Turn]] = OrderedDict()
        self._held_until = -math.inf
        self._alarm: asyncio.TimerHandle | None = None

    def turn(self, gstin: str | None, *, ahead: bool = False) -> Turn:
        """Return a turn to wait for. One that is `ahead` does not queue, since others wait for it."""
        return Turn(self, gstin or "", ahead=ahead)

    def not_before(self, moment: float) -> None:
        """Hold everything until this moment (epoch seconds); it only ever moves forward."""
        until = asyncio.get_running_loop().time() + moment - self._clock()
        self._held_until = max(self._held_until, until)

    async def wait(self, turn: Turn) -> None:
        """Wait until one more request may leave, and count it."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        if not self._lines and max(self._opens_at(now), self._own_opens_at(turn.gstin, now)) <= now:
            turn.begin(self._windows_of(turn.gstin))
            return
        turn.leave = loop.create_future()
        line = self._lines.setdefault(turn.gstin, deque())
        if turn.ahead:
            line.appendleft(turn)
            self._lines.move_to_end(turn.gstin, last=False)
        else:
            line.append(turn)
        self._admit()
        try:
            await turn.leave
        except asyncio.CancelledError:
            if not turn.leave.cancelled():  # called and cancelled in one breath
                turn.give_back()
                turn.end(loop.time())
            self._admit()
            raise

    def done(self, turn: Turn) -> None:
        """Note that a request was answered, or will not be."""
        turn.end(asyncio.get_running_loop().time())
        if self._lines:
            self._admit()

    def close(self) -> None:
        """Send away all who wait: they get `ClientClosed`."""
        for line in self._lines.values():
            for turn in line:
                if turn.leave is not None and not turn.leave.done():
                    turn.leave.set_exception(ClientClosed("the client was closed; nothing was sent"))
        self._lines.clear()
        self._set_alarm(math.inf)

    def _admit(self) -> None:
        """Let out all who may go now, one of each GSTIN in turn, and come back when the next may."""
        now = asyncio.get_running_loop().time()
        soonest = math.inf
        names = deque(self._lines)
        while names:
            name = names.popleft()
            line = self._lines[name]
            while line and (line[0].leave is None or line[0].leave.done()):
                line.popleft()  # cancelled
            if not line:
                del self._lines[name]
                continue
            if (opens_at := self._opens_at(now)) > now:
                soonest = opens_at
                break
            if (opens_at := self._own_opens_at(name, now)) > now:
                soonest = min(soonest, opens_at)
                continue
            line.popleft().begin(self._windows_of(name))
            self._lines.move_to_end(name)
            names.append(name)
        self._set_alarm(soonest)

    def _set_alarm(self, moment: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if moment < math.inf:
            self._alarm = asyncio.get_running_loop().call_at(moment, self._admit)

    def _opens_at(self, now: float) -> float:
        return max(self._held_until, self._account.opens_at(now) if self._account else -math.inf)

    def _own_opens_at(self, gstin: str, now: float) -> float:
        window = self._gstins.get(gstin)
        return -math.inf if window is None else window.opens_at(now)

    def _windows_of(self, gstin: str) -> tuple[_Window, ...]:
        """Return the windows in which a request that goes now counts."""
        if self._rate is None or self._account is None:
            return ()
        if self._rate.per_gstin is None or not gstin:
            return (self._account,)
        now = asyncio.get_running_loop().time()
        if now >= self._swept_at + _SPAN:
            self._swept_at = now
            self._gstins = {name: window for name, window in self._gstins.items() if not window.idle(now)}
        if gstin not in self._gstins:
            self._gstins[gstin] = _Window(self._rate.per_gstin)
        return self._account, self._gstins[gstin]
