"""One attempt to send a request: its progress, the time limit of its current step, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import socket
import struct
from collections.abc import Callable
from typing import Any, Final

from ..gsp.base import Request
from ..model.times import ANSWER_DEADLINE, SEND_DEADLINE
from .policies import Timeouts

_DISCARD_UNSENT: Final = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)  # for SO_LINGER


class TroubleError(Exception):
    """A failure with a message of our own, which is safe to show."""


class HungUpError(TroubleError):
    """The connection ended before the head of an answer was received."""


class Attempt:
    """Track how far one request got, and limit the time of its current step.

    One that is not repeatable is sent at most once, even if a middleware of a caller's session repeats it. A
    change is sent within `SEND_DEADLINE` of now or not at all, and answered within `ANSWER_DEADLINE`: it must
    not take effect after others looked for its effects, at `QUIET`. `clock` also counts time for which the
    machine slept. `reused` is True on a connection used before.
    """

    def __init__(self, request: Request, timeouts: Timeouts, clock: Callable[[], float]) -> None:
        self.timeouts, self.left, self.answered, self.reused = timeouts, False, False, False
        self.limit = asyncio.timeout(None)
        self._once, self._cut = not request.repeatable, False
        self._leaves_by = clock() + SEND_DEADLINE if request.changes else math.inf
        self._answered_within = ANSWER_DEADLINE if request.changes else math.inf
        self._ends_at, self._clock = math.inf, clock
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._transport: asyncio.Transport | None = None
        self._socket: Any = None

    def connecting(self) -> None:
        """Begin to connect."""
        self.reused = False
        self._allow(self.timeouts.connect)

    def reusing(self) -> None:
        """Note that the connection was used before."""
        self.reused = True

    def leaving(self) -> None:
        """Begin to send."""
        if self.left and self._once:
            raise TroubleError("a middleware of the session would have sent it again")
        if self._clock() > self._leaves_by:
            raise TroubleError(f"its turn came later than {SEND_DEADLINE:g} s after it was handed over")
        self.left = True
        self._ends_at = self._loop.time() + self._answered_within
        self.progress()

    def progress(self) -> None:
        """Begin the next step of sending or receiving."""
        self._allow(self.timeouts.read)

    @property
    def overrun(self) -> str | None:
        """Why it was ended early, or None."""
        if self._cut:
            return "the client was closed"
        if not self.limit.expired():
            return None
        if self._loop.time() >= self._ends_at:
            return f"not answered within {ANSWER_DEADLINE:g} s"
        silence, connecting = self.timeouts.read, self.timeouts.connect
        return f"silence for {silence:g} s" if self.left else f"no connection within {connecting:g} s"

    def upload(self, transport: asyncio.Transport | None) -> None:
        """Note the transport on which the body is sent."""
        self._transport, self._socket = transport, transport and transport.get_extra_info("socket")

    def cut(self) -> None:
        """End it early, because the client closes."""
        self._cut = True
        self._expire()

    def done(self) -> None:
        """End it; without a whole answer nothing more of it is sent."""
        if self._timer is not None:
            self._timer.cancel()
        # A connection that is not closing may be in use by another request already.
        if not self.answered and self._transport is not None and self._transport.is_closing():
            self.drop()

    def drop(self) -> None:
        """Abort the connection of the body, if any, and discard its unsent data.

        asyncio and the operating system would go on sending their buffers for as long as the other side
        reads slowly: a change that was given up could arrive an hour later.
        """
        if self._transport is None:
            return
        if self._socket is not None:
            # Already closed: the errors of asyncio and of uvloop.
            with contextlib.suppress(OSError, ValueError):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DISCARD_UNSENT)
        self._transport.abort()

    def _allow(self, seconds: float) -> None:
        # A later deadline leaves the timer in place: to set it again at each step would cost more than all
        # the rest of this module.
        self._deadline = deadline = min(self._loop.time() + seconds, self._ends_at)
        if self._timer is not None:
            if self._timer.when() <= deadline:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline, self._look)

    def _look(self) -> None:
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._look)
        else:
            self._expire()

    def _expire(self) -> None:
        if not self.limit.expired():
            self.limit.reschedule(self._loop.time())


def reason_of(error: BaseException) -> str:
    """Describe a failure without URLs and headers."""
    if isinstance(error, TroubleError):
        return str(error)
    if isinstance(error, asyncio.CancelledError):
        return "the connections were closed"
    cause = getattr(error, "os_error", None)
    detail = isinstance(cause, OSError) and cause.strerror
    return f"{type(error).__name__} ({detail})" if detail else type(error).__name__
