"""How fast: a budget of our own where one is set, and the gateway's "not before" always.

A sliding window lets the full burst through and then never more than the budget in any 60 seconds, so
that a gateway with the same budget has no reason to answer 429. A request counts until 60 seconds after
its answer: when it reached the gateway in between, only the gateway knows.
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
from .fair_queue import AT_ONCE, FairQueue, waits
from .policies import RateLimit

_SPAN: Final = 60.05  # seconds; a little over the minute, since no two clocks run alike
_GIVES_WAY_FOR: Final = 300.0  # seconds; a poll that has given way for so long is let out in its turn


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

    __slots__ = ("_pacer", "_windows", "ahead", "gives_way", "gstin", "leave", "since", "used")

    since: float
    used: bool
    _windows: tuple[_Window, ...]

    def __init__(self, pacer: Pacer, gstin: str, ahead: bool, gives_way: bool) -> None:
        # `since` is set when the wait begins, `_windows` and `used` at its end: a burst of thousands is felt.
        self._pacer, self.gstin, self.ahead, self.gives_way = pacer, gstin, ahead, gives_way
        self.leave: asyncio.Future[None] | None = None

    def give_back(self) -> None:
        """Say that nothing was sent after all: the turn does not count."""
        self.used = False

    def begin(self, windows: tuple[_Window, ...]) -> None:
        """Let it go: from now on it counts."""
        self._windows, self.used = windows, True
        for window in windows:
            window.enter()
        if self.leave is not None:
            self.leave.set_result(None)

    def end(self, now: float) -> None:
        """Count it for one more minute."""
        windows, self._windows = self._windows, ()
        for window in windows:
            window.leave(now, used=self.used)

    def __aenter__(self) -> Coroutine[Any, Any, Turn]:
        return self._pacer.wait(self)  # without a coroutine of its own: a burst of thousands is felt

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pacer.done(self)


class Pacer:
    """Lets requests out as budget and gateway allow: in order within a GSTIN, the GSTINs by turns.

    Polls give way to all others, and with a budget they are spread over the minute: one that is early finds
    its job still at work, and what it costs is missed by the next save.

    Letting one out costs the logarithm of how many wait, and no turn of the event loop lets out thousands.

    `clock` is wall time (epoch seconds), which is what gateways name in their hints; the waiting itself
    goes by the event loop's clock, which nobody sets back.
    """

    def __init__(self, rate: RateLimit | None, *, clock: Callable[[], float]) -> None:
        self._rate, self._clock = rate, clock
        self._account = _Window(rate.per_minute) if rate else None
        self._gstins: OrderedDict[str, _Window] = OrderedDict()  # the longest unused first
        self._lines: FairQueue[Turn] = FairQueue()
        self._polls: FairQueue[Turn] = FairQueue()
        self._arrived: deque[Turn] = deque()  # and not in a queue yet: most of the work of a burst is put off
        self._oldest_polls: deque[Turn] = deque()  # in order of arrival, also some that wait no more
        self._next_poll_at = -math.inf
        self._held_until = -math.inf
        self._left = math.inf  # how many more the gateway said that it takes until `_left_until`
        self._left_until = -math.inf
        self._under_way = 0
        self._answered = 0  # since then, without a word of how many are left
        self._called = 0  # let out of a queue, and not resumed yet
        self._alarm: asyncio.TimerHandle | None = None
        self._wakes_at = math.inf

    def turn(self, gstin: str | None, *, ahead: bool = False, gives_way: bool = False) -> Turn:
        """Return a turn to wait for.

        One that is `ahead` does not queue, since others wait for it; one that `gives_way` (a poll) is let out
        when nobody else waits.
        """
        return Turn(self, gstin or "", ahead, gives_way and not ahead)

    def not_before(self, moment: float) -> None:
        """Hold everything until this moment (epoch seconds); it only ever moves forward."""
        self._held_until = max(self._held_until, self._on_the_loop(moment))

    def told(self, left: int, until: float) -> None:
        """Hear that the gateway takes only so many more requests until then (epoch seconds).

        Another process may use the account as well. What is under way may not be counted in it yet.
        """
        moment = self._on_the_loop(until)
        if moment < self._left_until - 1:
            return  # of a minute that is over
        if moment > self._left_until + 1 or left < self._left:  # else it is older than what is known
            self._left, self._answered = left, 0
        self._left_until = max(self._left_until, moment)
        if self._arrived or self._lines or self._polls:
            self._admit()

    def _on_the_loop(self, moment: float) -> float:
        return asyncio.get_running_loop().time() + moment - self._clock()

    async def wait(self, turn: Turn) -> Turn:
        """Wait until one more request may leave, and count it."""
        loop = asyncio.get_running_loop()
        turn.since = now = loop.time()
        if len(self._arrived) >= AT_ONCE:  # a burst: all of it is looked at in the next turns of the loop
            turn.leave = leave = loop.create_future()
            self._arrived.append(turn)
            if turn.gives_way:
                self._oldest_polls.append(turn)
            if self._wakes_at > now:
                self._set_alarm(now)
        else:
            opens_at = self._earliest(turn, now)
            if opens_at <= now and not (self._arrived or self._lines or (turn.gives_way and self._polls)):
                self._let_go(turn, now)
                return turn
            turn.leave = leave = loop.create_future()
            self._arrived.append(turn)
            if turn.gives_way:
                self._oldest_polls.append(turn)
            if self._oldest_polls:
                opens_at = min(opens_at, self._oldest_polls[0].since + _GIVES_WAY_FOR)
            if not now < self._wakes_at <= opens_at:
                self._admit()  # else there is nothing to do before the alarm, or an answer
        try:
            await leave
        except asyncio.CancelledError:
            if turn.leave.cancelled():
                self._sort_in(loop.time())  # those behind it in its line keep their place
                self._lines.leave(turn)
                self._polls.leave(turn)
            elif turn.leave.exception() is None:  # called, and cancelled in one breath
                self._called -= 1
                turn.give_back()
                self._end(turn)
            self._admit()
            raise
        self._called -= 1
        return turn

    def _earliest(self, turn: Turn, now: float) -> float:
        """Return before when it cannot go for certain; not after `now` if nothing but others may hold it."""
        opens_at = self._next_poll_at if turn.gives_way else -math.inf
        if not now < self._wakes_at <= opens_at:  # else the alarm rings before, whatever else holds it
            opens_at = max(opens_at, self._opens_at(now), self._own_opens_at(turn.gstin, now))
        return opens_at

    def done(self, turn: Turn) -> None:
        """Note that a request was answered, or will not be."""
        self._answered += turn.used
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
            line = queue.get(turn.gstin)
            if line is not None:
                queue.place(line, self._own_opens_at(turn.gstin, now), now)

    def close(self) -> None:
        """Send away all who wait: they get `ClientClosed`."""
        lines = [line.waiters for queue in (self._lines, self._polls) for line in queue.values()]
        for turn in itertools.chain(self._arrived, *lines):
            if turn.leave is not None and not turn.leave.done():
                turn.leave.set_exception(ClientClosed("the client was closed; nothing was sent"))
        self._arrived.clear()
        self._lines, self._polls = FairQueue(), FairQueue()
        self._oldest_polls.clear()
        self._set_alarm(math.inf)

    def _ring(self) -> None:
        self._alarm, self._wakes_at = None, math.inf
        self._admit()

    def _admit(self) -> None:
        """Let out all who may go now, polls last, and come back when the next may."""
        now = asyncio.get_running_loop().time()
        promotes_at = wakes_at = self._promote(now) if self._sort_in(now) else now
        if wakes_at > now:  # else some are left for the next turn of the event loop, as below
            wakes_at = self._admit_from(self._lines, now)
        if wakes_at > now:
            wakes_at = min(wakes_at, self._admit_from(self._polls, now))
        self._set_alarm(min(wakes_at, promotes_at) if self._polls else wakes_at)

    def _admit_from(self, queue: FairQueue[Turn], now: float) -> float:
        """Let out of these who may go now, one of each GSTIN in turn; return when the next may."""
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
                self._let_go(queue.take(line), now)

    def _sort_in(self, now: float) -> bool:
        """Let those who have come stand in their queues; False if some are left for the next turn."""
        for _ in range(AT_ONCE):
            if not self._arrived:
                return True
            turn = self._arrived.popleft()
            queue = self._polls if turn.gives_way else self._lines
            queue.join(turn, self._own_opens_at(turn.gstin, now), now)
        return not self._arrived

    def _promote(self, now: float) -> float:
        """Let polls that have given way for long enough wait among the others; return when the next may."""
        for _ in range(AT_ONCE):
            if not self._oldest_polls:
                return math.inf
            turn = self._oldest_polls[0]
            if waits(turn) and turn.since + _GIVES_WAY_FOR > now:
                return turn.since + _GIVES_WAY_FOR
            self._oldest_polls.popleft()
            if waits(turn):
                self._polls.leave(turn)
                self._lines.join(turn, self._own_opens_at(turn.gstin, now), now)
        return now

    def _let_go(self, turn: Turn, now: float) -> None:
        if now >= self._left_until:
            self._left = math.inf
        self._under_way += 1
        self._called += turn.leave is not None
        if turn.gives_way and self._rate is not None:
            self._next_poll_at = max(self._next_poll_at, now) + _SPAN / self._rate.per_minute
        turn.begin(self._windows_of(turn.gstin, now))

    def _set_alarm(self, moment: float) -> None:
        if self._alarm is not None:
            if self._wakes_at == moment:
                return
            self._alarm.cancel()
            self._alarm = None
        self._wakes_at = moment
        if moment < math.inf:
            self._alarm = asyncio.get_running_loop().call_at(moment, self._ring)

    def _opens_at(self, now: float) -> float:
        spent = self._left - self._under_way - self._answered < 1
        held = self._left_until if spent else -math.inf
        return max(held, self._held_until, self._account.opens_at(now) if self._account else -math.inf)

    def _own_opens_at(self, gstin: str, now: float) -> float:
        window = self._gstins.get(gstin)
        return -math.inf if window is None else window.opens_at(now)

    def _windows_of(self, gstin: str, now: float) -> tuple[_Window, ...]:
        """Return the windows in which a request that goes now counts."""
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
        """Forget GSTINs without a request for a minute: more at once than come, so that none stay long."""
        for _ in range(2 * AT_ONCE):
            name = next(iter(self._gstins), None)
            if name is None or not self._gstins[name].idle(now):
                return
            del self._gstins[name]
