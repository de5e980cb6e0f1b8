"""Ask one thing of each of many taxpayers, so many at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from ....bulk.concurrency import for_each
from ....bulk.outage import is_everybodys
from ....errors import ImsError
from ....model.gstr2b import Filing
from ....taxpayer import Taxpayer
from ...inputs.settings import Settings
from ...output.console import Console
from ...output.grouping import Grouped, kind_of
from ...output.progress import ticking

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


async def filings_of(
    console: Console, said: Grouped, taxpayer: Taxpayer, periods: Iterable[str]
) -> list[Filing]:
    """Ask which returns of each of these periods are filed; one that cannot be asked is named, and left away.

    Raises what would meet every taxpayer.
    """
    found = []
    for period in periods:
        try:
            found.append(await taxpayer.filing(period))
        except ImsError as error:
            if is_everybodys(error):
                raise
            why = console.reason(taxpayer.gstin, error)
            what = f"whether GSTR-3B of {period} is filed is not known: {why}"
            said.add(f"not known, {kind_of(error)}", f"{taxpayer.gstin}: {what}")
    return found


def ask_filings(
    console: Console, settings: Settings, names: Sequence[str], period: str, *, at_once: int
) -> dict[str, Filing]:
    """Ask which returns of a period are filed; those that cannot be asked are named, and left away."""
    found: dict[str, Filing] = {}
    work = ask_each(
        console,
        settings,
        names,
        "asked what is filed",
        ask=lambda taxpayer: taxpayer.filing(period),
        heard=found.__setitem__,
        at_once=at_once,
    )
    console.wait_for(work)
    return found
