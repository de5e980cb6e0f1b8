"""What taxpayers have filed, asked of the gateway where `--ask-filing` wants it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import attrs

from ...bulk.outage import is_everybodys
from ...errors import OUTAGE, ImsError, OtpRequired, SessionExpired
from ...model.gstr2b import Filing
from ...taxpayer import Taxpayer
from .. import options
from ..output.console import Console
from ..output.grouping import Grouped, kind_of
from ..output.tables import counted
from .asking import ask_each
from .settings import Settings

_OF_THE_TAXPAYER: Final = (*OUTAGE, OtpRequired, SessionExpired)
"""After these the other periods of a taxpayer are not asked for either."""


@attrs.frozen
class Filings:
    """What the gateway said, by GSTIN and period; `unknown` is why it did not say it of the others."""

    found: dict[tuple[str, str], Filing] = attrs.field(factory=dict)
    unknown: dict[tuple[str, str], ImsError] = attrs.field(factory=dict)

    async def ask(self, taxpayer: Taxpayer, periods: Iterable[str]) -> None:
        """Ask which returns of each of these periods are filed. Raises what would meet every taxpayer."""
        gstin, left = taxpayer.gstin, list(periods)
        while left:
            period = left.pop(0)
            try:
                self.found[gstin, period] = await taxpayer.filing(period)
            except ImsError as error:
                if is_everybodys(error):
                    raise
                self.unknown[gstin, period] = error
                if isinstance(error, _OF_THE_TAXPAYER):
                    self.unknown.update({(gstin, other): error for other in left})
                    return

    def warn(self, console: Console, said: Grouped) -> None:
        """Name what could not be asked, of each taxpayer all periods with one reason at once."""
        of_like: dict[tuple[str, str, str], list[str]] = {}
        for (gstin, period), error in self.unknown.items():
            of_like.setdefault((kind_of(error), gstin, console.reason(gstin, error)), []).append(period)
        for (kind, gstin, why), periods in of_like.items():
            what = f"whether GSTR-3B of {', '.join(periods)} is filed is not known: {why}"
            said.add(f"not known, {kind}", f"{gstin}: {what}")

    def filed(self, period: str) -> dict[str, str]:
        """Return whose GSTR-3B of a period is filed, with the day."""
        return {one.gstin: f"{day:%d-%m-%Y}" for one in self.found.values() if (day := one.filed.get(period))}

    def left_out(self, console: Console, period: str) -> dict[str, str]:
        """Say whose GSTR-2B is not to be computed anew, since GSTR-3B is filed; return them, with the day."""
        filed = self.filed(period)
        for gstin, day in filed.items():
            console.tell(f"GSTR-2B of {gstin} is left out: GSTR-3B of {period} was filed on {day}.")
        return filed

    def facts(self, console: Console) -> dict[str, Any]:
        """Return the day of each GSTR-3B, None if it is not filed, and why others are not known."""
        facts: dict[str, Any] = {"filed": {}, "unknown": {}}
        for (gstin, period), one in self.found.items():
            day = one.gstr3b_filed_on
            facts["filed"].setdefault(gstin, {})[period] = day and day.isoformat()
        for (gstin, period), error in self.unknown.items():
            facts["unknown"].setdefault(gstin, {})[period] = console.reason(gstin, error)
        return facts


def ask_filings(
    console: Console, settings: Settings, wanted: Mapping[str, Sequence[str]], *, at_once: int
) -> Filings:
    """Ask of each taxpayer which returns of its periods are filed; warn of those that cannot be asked.

    Those count as not known. Raises what would meet every taxpayer.
    """
    said, found = Grouped(console.tell), _ask(console, settings, wanted, at_once=at_once)
    found.warn(console, said)
    said.end()
    return found


def ask_filing(console: Console, settings: Settings, period: str) -> Filing:
    """Ask which returns of a period the taxpayer of the settings has filed. Raises why that is not known."""
    found = _ask(console, settings, {settings.gstin: [period]}, at_once=1)
    for error in found.unknown.values():
        raise error
    return found.found[settings.gstin, period]


def _ask(
    console: Console, settings: Settings, wanted: Mapping[str, Sequence[str]], *, at_once: int
) -> Filings:
    names = [gstin for gstin, periods in wanted.items() if periods]
    found = Filings()
    if not names:
        return found

    count = sum(len(wanted[gstin]) for gstin in names)
    if count > 1:
        whose = names[0] if len(names) == 1 else counted(len(names), "taxpayer")
        console.tell(f"Asking whether GSTR-3B is filed: {counted(count, 'return')} of {whose}.")
    at_once = min(at_once, options.READ_AT_ONCE)
    what = "asked what is filed"
    # What each has not said is noted above: nobody is skipped.
    work = ask_each(
        console,
        settings,
        names,
        what,
        ask=lambda taxpayer: found.ask(taxpayer, wanted[taxpayer.gstin]),
        heard=lambda *_: None,
        at_once=at_once,
    )
    console.wait_for(work)
    return found
