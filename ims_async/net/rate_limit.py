"""The rate limiter: a budget of our own, if one is set, and always the limits that the gateway reports.

A sliding window allows a full burst, and then never more than the budget in any 60 seconds, so that a gateway
with the same budget does not answer 429. A request counts until 60 seconds after its answer: the time at
which it reached the gateway is not known.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections import OrderedDict, deque
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Final

from ..errors import ClientClosed
from .fair_queue import AT_ONCE, FairQueue
from .policies import RateLimit

_SPAN: Final = 60.05  # seconds; a little more than a minute, because clocks differ
_GIVES_WAY_FOR: Final = 300.0  # seconds; a poll that has waited for so long gets normal priority


class _Window:
    """A sliding window: the running requests and those answered within the last minute, with a limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._under_way = 0
        self._answered: deque[float] = deque()

    def opens_at(self, now: float) -> float:
        """Return when the next request may be sent: up to `now` for at once, `inf` for after an answer."""
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
    """The permission to send one request: `async with` it, or `pacer.wait` for it, then `pacer.done`."""

    __slots__ = ("_pacer", "_windows", "ahead", "gives_way", "gstin", "leave", "noted", "since", "used")

    since: float  # set when the wait begins, all below at its end: this speeds up large bursts
    used: bool
    noted: bool  # its answer had the number of requests that are left, in which the gateway has counted it
    _windows: tuple[_Window, ...]

    def __init__(self, pacer: Pacer, gstin: str, ahead: bool, gives_way: bool) -> None:
        self._pacer, self.gstin, self.ahead, self.gives_way = pacer, gstin, ahead, gives_way
        self.leave: asyncio.Future[None] | None = None

    @property
    def waits(self) -> bool:
        """Whether it is in a queue: it was neither released nor cancelled."""
        return self.leave is not None and not self.leave.done()

    def give_back(self) -> None:
        """Return the turn unused: nothing was sent, and it does not count."""
        self.used = False

    def begin(self, windows: tuple[_Window, ...]) -> None:
        """Release it: from now on it counts."""
        self._windows, self.used, self.noted = windows, True, False
        for window in windows:
            window.enter()
        if self.leave is not None:
            self.leave.set_result(None)

    def end(self, now: float) -> None:
        """End it: it counts for one more minute."""
        windows, self._windows = self._windows, ()
        for window in windows:
            window.leave(now, used=self.used)

    def __aenter__(self) -> Coroutine[Any, Any, Turn]:
        return self._pacer.wait(self)  # without a coroutine of its own: this saves time in large bursts

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pacer.done(self)


class Pacer:
    """Release requests within the limits: in order within a GSTIN, round robin among the GSTINs.

    Polls have the lowest priority, and with a budget they are spread over the minute: an early one would find
    its job still running, and use budget that the next save needs. To release one request has logarithmic
    cost, and no iteration of the event loop releases thousands. `clock` is wall time (epoch seconds), which
    gateways use in their hints; waiting uses the event loop's clock, which is never set back.
    """

    def __init__(self, rate: RateLimit | None, *, clock: Callable[[], float]) -> None:
        self._rate, self._clock = rate, clock
        self._account = _Window(rate.per_minute) if rate else None
        self._gstins: OrderedDict[str, _Window] = OrderedDict()  # the least recently used first
        self._lines, self._polls = FairQueue(), FairQueue()
        self._arrived: deque[Turn] = deque()  # not in a queue yet: most of the work of a burst is deferred
        self._oldest_polls: deque[Turn] = deque()  # in order of arrival, with some that no longer wait
        self._next_poll_at = -math.inf
        self._held_until = -math.inf
        self._left = math.inf  # the number of requests that the gateway still accepts until `_left_until`
        self._left_until = -math.inf
        self._under_way = 0
        self._answered = 0  # since then, by answers without that number
        self._called = 0  # released from a queue, and not resumed yet
        self._alarm: asyncio.TimerHandle | None = None
        self._wakes_at = math.inf

    def turn(self, gstin: str | None, *, ahead: bool = False, gives_way: bool = False) -> Turn:
        """Return a turn to wait for.

        One that is `ahead` does not queue, because others wait for it; one that `gives_way` (a poll) is
        released when no other request waits.
        """
        return Turn(self, gstin or "", ahead, gives_way and not ahead)

    def not_before(self, moment: float) -> None:
        """Delay all requests until this time (epoch seconds); an earlier time has no effect."""
        self._held_until = max(self._held_until, self._on_the_loop(moment))

    def note_allowance(self, left: int, until: float) -> None:
        """Note that the gateway accepts only `left` more requests until then (epoch seconds).

        Another process may use the account as well. Running requests may not be counted in it yet.
        """
        moment = self._on_the_loop(until)
        if moment < self._left_until - 1:
            return  # of a window that is over
        if moment > self._left_until + 1 or left < self._left:  # otherwise it is older than the current one
            self._left, self._answered = left, 0
        self._left_until = max(self._left_until, moment)
        if self._arrived or self._lines or self._polls:
            self._admit()

    def _on_the_loop(self, moment: float) -> float:
        return asyncio.get_running_loop().time() + moment - self._clock()

    async def wait(self, turn: Turn) -> Turn:
        """Wait until one more request may be sent, and count it."""
        loop = asyncio.get_running_loop()
        turn.since = now = loop.time()
        opens_at = now
        burst = len(self._arrived) >= AT_ONCE  # processed in the next iterations of the event loop
        if not burst:
            opens_at = max(self._opens_at(now), self._own_opens_at(turn.gstin, now))
            if turn.gives_way:
                opens_at = max(opens_at, self._next_poll_at)
            if opens_at <= now and not (self._arrived or self._lines or (turn.gives_way and self._polls)):
                self._release(turn, now)
                return turn
        turn.leave = leave = loop.create_future()
        self._arrived.append(turn)
        if turn.gives_way:
            self._oldest_polls.append(turn)
        if burst:
            if self._wakes_at > now:
                self._set_alarm(now)
        else:
            if self._oldest_polls:
                opens_at = min(opens_at, self._oldest_polls[0].since + _GIVES_WAY_FOR)
            if not now < self._wakes_at <= opens_at:
                self._admit()  # otherwise there is nothing to do before the timer or an answer
        try:
            await leave
        except asyncio.CancelledError:
            if turn.leave.cancelled():
                self._sort_in(loop.time())  # those behind it in its queue keep their place
                self._lines.leave(turn)
                self._polls.leave(turn)
            elif turn.leave.exception() is None:  # released and cancelled in one iteration
                self._called -= 1
                turn.give_back()
                self._end(turn)
            self._admit()
            raise
        self._called -= 1
        return turn

    def done(self, turn: Turn) -> None:
        """Note that a request was answered, or ended without an answer."""
        self._answered += turn.used and not turn.noted
        self._end(turn)
        if self._arrived or self._lines or self._polls:
            self._admit()

    def _end(self, turn: Turn) -> None:
        self._under_way -= 1
        now = asyncio.get_running_loop().time()
        turn.end(now)
        if turn.gstin not in self._gstins:
            return
        self._gstins.move_to_end(turn.gstin)
        for queue in (self._lines, self._polls):
            if (line := queue.get(turn.gstin)) is not None:
                queue.place(line, self._own_opens_at(turn.gstin, now), now)

    def close(self) -> None:
        """Cancel all waits: they raise `ClientClosed`."""
        lines = [line.waiters for queue in (self._lines, self._polls) for line in queue.values()]
        for turn in itertools.chain(self._arrived, *lines):
            if turn.leave is not None and turn.waits:
                turn.leave.set_exception(ClientClosed("the client was closed; nothing was sent"))
        self._arrived.clear()
        self._lines, self._polls = FairQueue(), FairQueue()
        self._oldest_polls.clear()
        self._set_alarm(math.inf)

    def _ring(self) -> None:
        self._alarm, self._wakes_at = None, math.inf
        self._admit()

    def _admit(self) -> None:
        """Release all requests that may be sent now, polls last, and set the timer for the next one."""
        now = asyncio.get_running_loop().time()
        promotes_at = wakes_at = self._promote(now) if self._sort_in(now) else now
        if wakes_at > now:  # otherwise some are left for the next iteration, as below
            wakes_at = self._admit_from(self._lines, now)
        if wakes_at > now:
            wakes_at = min(wakes_at, self._admit_from(self._polls, now))
        self._set_alarm(min(wakes_at, promotes_at) if self._polls else wakes_at)

    def _admit_from(self, queue: FairQueue, now: float) -> float:
        """Release from a queue, one of each GSTIN in turn; return when the next one may be sent."""
        if not queue:
            return math.inf
        if not queue.open_up(now):
            return now
        while True:
            opens_at = self._opens_at(now)
            if queue is self._polls:
                opens_at = max(opens_at, self._next_poll_at)
            line = queue.next()
            if line is None:
                return max(opens_at, queue.next_opening())
            if opens_at > now:
                return opens_at
            if self._called >= AT_ONCE:
                return now
            own_opens_at = self._own_opens_at(line.gstin, now)
            if own_opens_at > now:
                queue.place(line, own_opens_at, now)
            else:
                self._release(queue.take(line), now)

    def _sort_in(self, now: float) -> bool:
        """Put new arrivals into their queues; False if some are left for the next iteration."""
        for _ in range(AT_ONCE):
            if not self._arrived:
                return True
            turn = self._arrived.popleft()
            queue = self._polls if turn.gives_way else self._lines
            queue.join(turn, self._own_opens_at(turn.gstin, now), now)
        return not self._arrived

    def _promote(self, now: float) -> float:
        """Give polls that have waited for long enough normal priority; return when the next one is due."""
        for _ in range(AT_ONCE):
            if not self._oldest_polls:
                return math.inf
            turn = self._oldest_polls[0]
            if turn.waits and turn.since + _GIVES_WAY_FOR > now:
                return turn.since + _GIVES_WAY_FOR
            self._oldest_polls.popleft()
            if turn.waits:
                self._polls.leave(turn)
                self._lines.join(turn, self._own_opens_at(turn.gstin, now), now)
        return now

    def _release(self, turn: Turn, now: float) -> None:
        if now >= self._left_until:
            self._left = math.inf
        self._under_way += 1
        self._called += turn.leave is not None
        if turn.gives_way and self._rate is not None:
            self._next_poll_at = max(self._next_poll_at, now) + _SPAN / self._rate.per_minute
        turn.begin(self._windows_of(turn.gstin, now))

    def _set_alarm(self, moment: float) -> None:
        if self._wakes_at == moment:
            return
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        self._wakes_at = moment
        if moment < math.inf:
            self._alarm = asyncio.get_running_loop().call_at(moment, self._ring)

    def _opens_at(self, now: float) -> float:
        opens_at = self._account.opens_at(now) if self._account else -math.inf
        spent = self._left - self._under_way - self._answered < 1
        return max(opens_at, self._held_until, self._left_until if spent else -math.inf)

    def _own_opens_at(self, gstin: str, now: float) -> float:
        window = self._gstins.get(gstin)
        return -math.inf if window is None else window.opens_at(now)

    def _windows_of(self, gstin: str, now: float) -> tuple[_Window, ...]:
        """Return the windows in which a request that is sent now counts."""
        if self._rate is None or self._account is None:
            return ()
        if self._rate.per_gstin is None or not gstin:
            return (self._account,)
        self._forget_idle(now)
        if gstin not in self._gstins:
            self._gstins[gstin] = _Window(self._rate.per_gstin)
        self._gstins.move_to_end(gstin)
        return self._account, self._gstins[gstin]

    def _forget_idle(self, now: float) -> None:
        """Forget GSTINs without a request for a minute; more per call than arrive, so that none stay long."""
        for _ in range(2 * AT_ONCE):
            name = next(iter(self._gstins), None)
            if name is None or not self._gstins[name].idle(now):
                return
            del self._gstins[name]
