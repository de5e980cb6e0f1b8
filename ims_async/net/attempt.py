"""One attempt to send a request: how far it got, how long its present step may take, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import socket
import struct
from collections.abc import Callable
from typing import Any, Final

import attrs

from ..errors import InvalidInput
from ..model.times import ANSWER_DEADLINE, SEND_DEADLINE

_AT_ONCE: Final = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)  # for SO_LINGER: drop what is unsent


class TroubleError(Exception):
    """A failure in words of our own, which are safe to show."""


class HungUpError(TroubleError):
    """The connection ended before the head of an answer was there."""


def _positive(_: object, attribute: attrs.Attribute[float], value: float) -> None:
    if not value > 0:
        raise InvalidInput(f"{attribute.name} {value!r} must be more than 0 seconds")


@attrs.frozen(kw_only=True)
class Timeouts:
    """Limits on single steps, in seconds; there is none on the whole, since a big answer may take long.

    `connect` is for finding the host and connecting to it, proxy and TLS included. `read` is the longest
    silence: while a body is sent, before the answer begins, and between two parts of it.
    """

    connect: float = attrs.field(default=10.0, validator=_positive)
    read: float = attrs.field(default=60.0, validator=_positive)


class Attempt:
    """How far one request got, and how long its present step may take.

    With `once` it leaves once, whatever a caller's session has for middlewares. What `expires` leaves within
    `SEND_DEADLINE` or not at all, and is answered within `ANSWER_DEADLINE`: who looks for its effects after
    `QUIET` must not be overtaken by it. `begun` is when it was handed over, by `clock`, which tells of a
    machine that slept meanwhile. `reused` says that it goes over a connection that was used before.
    """

    def __init__(
        self, timeouts: Timeouts, *, once: bool, expires: bool, begun: float, clock: Callable[[], float]
    ) -> None:
        self.timeouts, self.left, self.answered, self.reused = timeouts, False, False, False
        self.limit = asyncio.timeout(None)
        self._once, self._cut = once, False
        self._leaves_by = begun + SEND_DEADLINE if expires else math.inf
        self._answered_within = ANSWER_DEADLINE if expires else math.inf
        self._ends_at, self._clock = math.inf, clock
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._way: asyncio.Transport | None = None
        self._socket: Any = None

    def connecting(self) -> None:
        """Begin to connect."""
        self.reused = False
        self._allow(self.timeouts.connect)

    def reusing(self) -> None:
        """Take a connection that was used before."""
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
        self._allow(min(self.timeouts.read, self._ends_at - self._loop.time()))

    @property
    def overrun(self) -> str | None:
        """What ended it before its time, if anything did."""
        if self._cut:
            return "the client was closed"
        if not self.limit.expired():
            return None
        if self._loop.time() >= self._ends_at:
            return f"not answered within {ANSWER_DEADLINE:g} s"
        silence, connecting = self.timeouts.read, self.timeouts.connect
        return f"silence for {silence:g} s" if self.left else f"no connection within {connecting:g} s"

    def upload(self, way: asyncio.Transport | None) -> None:
        """Know where the body goes."""
        self._way, self._socket = way, way and way.get_extra_info("socket")

    def cut(self) -> None:
        """Break it off."""
        self._cut = True
        self._expire()

    def done(self) -> None:
        """End it, and where no whole answer came let nothing more of it leave."""
        self._stop_timer()
        # A connection that is not being closed may carry somebody else's request by now.
        if not self.answered and self._way is not None and self._way.is_closing():
            self.drop()

    def drop(self) -> None:
        """Drop the connection that the body takes, if any, with all that is unsent.

        asyncio and the system would go on sending what they hold, for as long as the other side keeps them
        waiting: a change that was given up could arrive an hour later.
        """
        if self._way is None:
            return
        if self._socket is not None:
            with contextlib.suppress(OSError, ValueError):  # closed already, as asyncio and as uvloop says it
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self._way.abort()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _allow(self, seconds: float) -> None:
        # The timer is left where it is when there is more time: setting it anew at each step would cost
        # more than all the rest of this room.
        self._deadline = self._loop.time() + seconds
        if self._timer is None or self._timer.when() > self._deadline:
            self._set_timer()

    def _set_timer(self) -> None:
        self._stop_timer()
        self._timer = self._loop.call_at(self._deadline, self._look)

    def _look(self) -> None:
        if self._loop.time() < self._deadline:
            self._set_timer()
        else:
            self._expire()

    def _expire(self) -> None:
        if not self.limit.expired():
            self.limit.reschedule(self._loop.time())


def reason_of(error: BaseException) -> str:
    """Name a failure in words that hold no URL and no header."""
    if isinstance(error, TroubleError):
        return str(error)
    if isinstance(error, asyncio.CancelledError):
        return "the connections were closed"
    cause = getattr(error, "os_error", None)
    told = isinstance(cause, OSError) and cause.strerror
    return f"{type(error).__name__} ({told})" if told else type(error).__name__
