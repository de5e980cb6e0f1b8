"""Ask one thing of each of many taxpayers, so many at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from ...bulk.concurrency import for_each
from ...bulk.outage import is_everybodys
from ...errors import ImsError
from ...taxpayer import Taxpayer
from ..output.console import Console
from ..output.grouping import Grouped, kind_of
from ..output.progress import ticking
from .settings import Settings

T = TypeVar("T")


async def ask_each(
    console: Console,
    settings: Settings,
    names: Sequence[str],
    what: str,
    *,
    ask: Callable[[Taxpayer], Awaitable[T]],
    heard: Callable[[str, T], object],
    at_once: int,
    first_poll: float | None = None,
) -> dict[str, str]:
    """Ask each, and pass on what was `heard`; return why the others have no answer, in words.

    `what` is done to them, for the progress. Raises what would meet every taxpayer.
    """
    skipped: dict[str, str] = {}
    said = Grouped(console.tell)

    async with settings.client(first_poll=first_poll) as client:
        settings.hand_in_token(client)
        with ticking(console, what, len(names)) as tick:

            async def one(gstin: str) -> None:
                try:
                    found = await ask(client.taxpayer(gstin, check=settings.check))
                except ImsError as error:
                    if is_everybodys(error):
                        raise
                    skipped[gstin] = console.reason(gstin, error)
                    said.add(f"skipped, {kind_of(error)}", f"{gstin} is skipped: {skipped[gstin]}")
                else:
                    heard(gstin, found)
                tick()

            await for_each(names, one, at_once=max(min(at_once, len(names)), 1))
    said.end()
    return skipped
