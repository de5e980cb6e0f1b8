"""What a pacer has to do, as a model that walks all who wait at each event: for `test_pacing_order`."""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import cast

from ims_async import RateLimit
from ims_async.errors import ClientClosed
from ims_async.net.rate_limit import _GIVES_WAY_FOR, _SPAN, Pacer, Turn, _Window

_Lines = OrderedDict[str, deque[Turn]]


class WalkingPacer:
    """The rules of `Pacer`, as plain as they can be said: at each event it looks at all who wait.

    Requests within a GSTIN go in order, the GSTINs by turns, one of each; a GSTIN whose own budget is spent
    keeps its place. Polls go when nobody else may, a share of the minute apart; one that has given way for
    five minutes stands among the others from then on. Whoever is cancelled leaves the line at once.
    """

    def __init__(self, rate: RateLimit | None, *, clock: Callable[[], float]) -> None:
        self._rate, self._clock = rate, clock
        self._account = _Window(rate.per_minute) if rate else None
        self._gstins: dict[str, _Window] = {}
        self._swept_at = -math.inf
        self._lines: _Lines = OrderedDict()
        self._polls: _Lines = OrderedDict()
        self._all_polls: list[Turn] = []  # in order of arrival
        self._next_poll_at = -math.inf
        self._held_until = -math.inf
        self._left = math.inf  # how many more the gateway said that it takes until `_left_until`
        self._left_until = -math.inf
        self._under_way = 0
        self._answered = 0  # since then, without a word of how many are left
        self._alarm: asyncio.TimerHandle | None = None

    def turn(self, gstin: str | None, *, ahead: bool = False, gives_way: bool = False) -> Turn:
        """Return a turn to wait for.

        One that is `ahead` does not queue, since others wait for it; one that `gives_way` (a poll) is let out
        when nobody else waits.
        """
        return Turn(cast("Pacer", self), gstin or "", ahead=ahead, gives_way=gives_way and not ahead)

    def not_before(self, moment: float) -> None:
        """Hold everything until this moment (epoch seconds); it only ever moves forward."""
        self._held_until = max(self._held_until, self._on_the_loop(moment))

    def note_allowance(self, left: int, until: float) -> None:
        """Hear that the gateway takes only so many more requests until then (epoch seconds).

        Another process may use the account as well. What is under way may not be counted in it yet.
        """
        moment = self._on_the_loop(until)
        if moment < self._left_until - 1:
            return  # of a minute that is over
        if moment > self._left_until + 1 or left < self._left:  # else it is older than what is known
            self._left, self._answered = left, 0
        self._left_until = max(self._left_until, moment)
        if self._lines or self._polls:
            self._admit()

    def _on_the_loop(self, moment: float) -> float:
        return asyncio.get_running_loop().time() + moment - self._clock()

    async def wait(self, turn: Turn) -> Turn:
        """Wait until one more request may leave, and count it."""
        loop = asyncio.get_running_loop()
        turn.since = now = loop.time()
        ready = max(self._opens_at(now), self._own_opens_at(turn.gstin, now)) <= now
        if turn.gives_way:
            ready = ready and not self._polls and self._next_poll_at <= now
        if ready and not self._lines:
            self._let_go(turn, now)
            return turn
        turn.leave = loop.create_future()
        self._promote(now)
        if turn.gives_way:
            self._all_polls.append(turn)
        lines = self._polls if turn.gives_way else self._lines
        line = lines.setdefault(turn.gstin, deque())
        if turn.ahead:
            line.appendleft(turn)
            lines.move_to_end(turn.gstin, last=False)
        else:
            line.append(turn)
        self._admit()
        try:
            await turn.leave
        except asyncio.CancelledError:
            called = turn.leave.done() and not turn.leave.cancelled() and turn.leave.exception() is None
            if called:  # and cancelled in one breath
                turn.give_back()
                self._under_way -= 1
                turn.end(loop.time())
            self._take_out(turn)
            self._admit()
            raise
        return turn

    def _take_out(self, turn: Turn) -> None:
        for lines in (self._lines, self._polls):
            line = lines.get(turn.gstin)
            if line is not None and turn in line:
                line.remove(turn)
                if not line:
                    del lines[turn.gstin]

    def done(self, turn: Turn) -> None:
        """Note that a request was answered, or will not be."""
        self._under_way -= 1
        self._answered += turn.used
        turn.end(asyncio.get_running_loop().time())
        if self._lines or self._polls:
            self._admit()

    def close(self) -> None:
        """Send away all who wait: they get `ClientClosed`."""
        for line in [*self._lines.values(), *self._polls.values()]:
            for turn in line:
                if turn.leave is not None and not turn.leave.done():
                    turn.leave.set_exception(ClientClosed("the client was closed; nothing was sent"))
        self._lines.clear()
        self._polls.clear()
        self._set_alarm(math.inf)

    def _admit(self) -> None:
        """Let out all who may go now, polls last, and come back when the next may."""
        now = asyncio.get_running_loop().time()
        self._promote(now)
        moments = [self._admit_from(self._lines, now), self._admit_from(self._polls, now)]
        moments += [turn.since + _GIVES_WAY_FOR for line in self._polls.values() for turn in line]
        self._set_alarm(min(moments))

    def _admit_from(self, lines: _Lines, now: float) -> float:
        """Let out of these who may go now, one of each GSTIN in turn; return when the next may."""
        soonest = math.inf
        names = deque(lines)
        while names:
            name = names.popleft()
            line = lines[name]
            while line and (line[0].leave is None or line[0].leave.done()):
                line.popleft()  # cancelled
            if not line:
                del lines[name]
                continue
            opens_at = self._opens_at(now)
            if lines is self._polls:
                opens_at = max(opens_at, self._next_poll_at)
            if opens_at > now:
                return min(soonest, opens_at)
            if (opens_at := self._own_opens_at(name, now)) > now:
                soonest = min(soonest, opens_at)
                continue
            self._let_go(line.popleft(), now)
            lines.move_to_end(name)
            names.append(name)
            if not line:
                del lines[name]
                names.pop()
        return soonest

    def _promote(self, now: float) -> None:
        """Let polls that have given way for long enough wait among the others, in order of arrival."""
        waiting = {turn for line in self._polls.values() for turn in line}
        for turn in [turn for turn in self._all_polls if turn in waiting]:
            if turn.since + _GIVES_WAY_FOR <= now:
                self._take_out(turn)
                self._lines.setdefault(turn.gstin, deque()).append(turn)

    def _let_go(self, turn: Turn, now: float) -> None:
        if now >= self._left_until:
            self._left = math.inf
        self._under_way += 1
        if turn.gives_way and self._rate is not None:
            self._next_poll_at = max(self._next_poll_at, now) + _SPAN / self._rate.per_minute
        turn.begin(self._windows_of(turn.gstin))

    def _set_alarm(self, moment: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if moment < math.inf:
            self._alarm = asyncio.get_running_loop().call_at(moment, self._admit)

    def _opens_at(self, now: float) -> float:
        spent = self._left - self._under_way - self._answered < 1
        held = self._left_until if spent else -math.inf
        return max(held, self._held_until, self._account.opens_at(now) if self._account else -math.inf)

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
