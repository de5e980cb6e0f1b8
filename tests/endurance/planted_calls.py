"""A client with planted secrets before the mirror, and each call that it can make."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import attrs
import pytest

from ims_async import ImsClient, ImsError, ImsJob, Sandbox, Taxpayer, Vayana
from ims_async.gsp.base import Gsp

from .planted import PLANTED, Mirror, leaks, looks

GSPS: Final[dict[str, Callable[[str], Gsp]]] = {
    "sandbox": lambda url: Sandbox(PLANTED["api key"], PLANTED["api secret"], base_url=url),
    "vayana": lambda url: Vayana(
        "org-demo",
        handle="demo@example.com",
        password=PLANTED["password"],
        extra_headers={"X-FLYNN-S-REK": PLANTED["extra header"]},
        base_url=url,
    ),
}
NOWHERE: Final = "http://127.0.0.1:1"


@attrs.define
class Scene:
    """One client before the mirror, and all that came of it."""

    mirror: Mirror
    client: ImsClient
    log: pytest.LogCaptureFixture
    met: list[object] = attrs.field(factory=list)

    @property
    def user(self) -> str:
        """The taxpayer's user name."""
        return self.mirror.sim.taxpayers[0].username

    @property
    def acme(self) -> Taxpayer:
        """The taxpayer."""
        return self.client.taxpayer(self.mirror.sim.gstins[0])

    async def log_in(self) -> None:
        """Begin a session with an OTP, refresh it, and read."""
        await self.acme.request_otp(self.user)
        await self.acme.verify_otp(PLANTED["otp"])
        await self.acme.refresh()

    async def try_to(self, call: Awaitable[object]) -> None:
        """Do something and keep what it returns or raises."""
        try:
            self.met.append(await call)
        except (ImsError, asyncio.CancelledError, TimeoutError) as error:
            self.met.append(error)

    def leaks(self) -> list[str]:
        """Look everywhere."""
        seen = [*looks(self.client, self.acme, *self.met, *asyncio.all_tasks())]
        seen += [("log", f"{record.getMessage()} {record.args!r}") for record in self.log.records]
        seen.append(("log text", self.log.text))
        return leaks({*PLANTED.values(), *self.mirror.seen, *self.mirror.before}, seen)


Begun = Callable[[], Awaitable[object]]


async def _otp(scene: Scene) -> Begun:
    await scene.acme.request_otp(scene.user)
    return lambda: scene.acme.verify_otp(PLANTED["otp"])


async def _save(scene: Scene) -> Begun:
    await scene.log_in()
    rows = await scene.acme.invoices("b2b")
    return lambda: scene.acme.save([row.reject() for row in rows], queue=False)


async def _reset(scene: Scene) -> Begun:
    await scene.log_in()
    rows = await scene.acme.invoices("b2b")
    return lambda: scene.acme.reset(rows, queue=False)


async def job_of(scene: Scene) -> ImsJob:
    save = await _save(scene)
    await scene.try_to(save())
    job = scene.met[-1]
    assert isinstance(job, ImsJob)
    return job


async def _wait(scene: Scene) -> Begun:
    job = await job_of(scene)
    return lambda: job.result(timeout=0.02)


async def _poll(scene: Scene) -> Begun:
    return (await job_of(scene)).refresh


async def _reconcile(scene: Scene) -> Begun:
    job = await job_of(scene)
    return lambda: scene.acme.reconcile(job)


def _logged_in(call: Callable[[Scene], Awaitable[object]]) -> Callable[[Scene], Awaitable[Begun]]:
    async def begin(scene: Scene) -> Begun:
        await scene.log_in()
        return lambda: call(scene)

    return begin


async def _first(scene: Scene) -> Begun:
    return lambda: scene.acme.request_otp(scene.user)


# Each does what goes well, and returns what is done once the gateway fails.
CALLS: Final[dict[str, Callable[[Scene], Awaitable[Begun]]]] = {
    "first login": _first,
    "otp": _otp,
    "refresh": _logged_in(lambda scene: scene.acme.refresh()),
    "counts": _logged_in(lambda scene: scene.acme.counts()),
    "invoices": _logged_in(lambda scene: scene.acme.invoices("b2b")),
    "loose invoices": _logged_in(lambda scene: scene.acme.invoices("b2b", strict=False)),
    "sales": _logged_in(lambda scene: scene.acme.sales(2024, 10, "b2b")),
    "save": _save,
    "reset": _reset,
    "wait": _wait,
    "poll": _poll,
    "reconcile": _reconcile,
    "logout": _logged_in(lambda scene: scene.acme.logout()),
    "sign out": _logged_in(lambda scene: scene.client.sign_out()),
}
