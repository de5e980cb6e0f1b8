"""`deadlines`: the dates of a return period, with their public sources."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import attrs
import typer

from ... import decide, rules
from ...decide import Deadlines
from ...errors import InvalidInput
from ...gsp.codec.values import parse_day
from ...model.gstr2b import Filing
from ...model.vocabulary import year_and_month
from .. import options
from ..command import command
from ..inputs.filings import ask_filing
from ..inputs.settings import Whose
from ..output import tables as show
from ..output.console import OK, Console
from ..output.tables import counted

_NAMES = {
    "gstr1": "suppliers file GSTR-1",
    "gstr1_quarterly": "quarterly ones, and IFF",
    "draft": "draft of GSTR-2B",
    "gstr3b": "GSTR-3B is due",
    "last_day": "last day to act",
    "pending_until": "a pending credit note ends",
}


@attrs.frozen
class _Taxpayer:
    """What is known of whose dates these are; `asked` is whether the gateway has said so."""

    quarterly: bool
    asked: bool
    filed_on: dt.date | None
    """When GSTR-3B of the period was filed; None if it is not, or not known."""


@command()
def deadlines(
    console: Console,
    whose: Whose,
    period: Annotated[
        str | None,
        typer.Argument(
            metavar="PERIOD", help="The GSTR-2B period, MMYYYY; the month before this one otherwise."
        ),
    ] = None,
    quarterly: Annotated[
        bool, options.option("--quarterly", "Of a quarterly (QRMP) taxpayer; --state says where.")
    ] = False,
    state: Annotated[
        str | None,
        options.option("--state CODE", "The first two digits of its GSTIN, or the GSTIN.", "29"),
    ] = None,
    filed: Annotated[
        str | None,
        options.option(
            "--filed-on DATE", "The day on which GSTR-3B of the period was filed, DD-MM-YYYY.", "18-11-2026"
        ),
    ] = None,
    ask_filing: options.AskFiling = False,
) -> int:
    """Show the dates of a return period: when GSTR-2B is drafted, and until when an action counts.

    They are those of the rules: the government moves single ones by notification. No gateway is asked, but
    with --ask-filing when the taxpayer has filed GSTR-3B, and whether it files each quarter: where that is
    so and no PERIOD is named, once more for the last quarter.
    """
    if state is not None and not quarterly:
        raise InvalidInput("--state is for quarterly taxpayers: add --quarterly, or leave out --state")
    if ask_filing and filed:
        raise InvalidInput("--filed-on says when it was filed: leave out --ask-filing")
    today = rules.india_date(dt.datetime.now(dt.UTC))
    gstin, filed_on = whose.gstin, _day(filed) if filed else None
    if ask_filing:
        one, quarterly = _filing(console, whose, period, today, quarterly=quarterly)
        period, gstin, filed_on = one.period, one.gstin, one.gstr3b_filed_on
    period = period or _last(today, quarterly=quarterly)
    known = {} if filed_on is None else {period: filed_on}
    state = (state or gstin) if quarterly else None
    found = decide.deadlines(period, quarterly=quarterly, state=state, filed=known)
    return _tell(console, found, today, _Taxpayer(quarterly, ask_filing, filed_on))


def _tell(console: Console, found: Deadlines, today: dt.date, whose: _Taxpayer) -> int:
    """Show the dates, and what is left of the days."""
    dates, left = {name: getattr(found, name) for name in _NAMES}, found.days_left(today)
    rows = [(_NAMES[name], one.date, one.source) for name, one in dates.items() if one is not None]
    console.show(show.table(f"GSTR-2B of {found.period}", ("what", "date", "source"), rows))
    console.say()
    console.say(_what_is_left(left, whose))
    facts = {
        name: None if one is None else {**attrs.asdict(one), "date": one.date.isoformat()}
        for name, one in dates.items()
    }
    filed_on = whose.filed_on and whose.filed_on.isoformat()
    known = {"quarterly": whose.quarterly, "asked": whose.asked, "filed_on": filed_on}
    console.document({"ok": True, "period": found.period, "days_left": left, **known, **facts})
    return OK


def _filing(
    console: Console, whose: Whose, period: str | None, today: dt.date, *, quarterly: bool
) -> tuple[Filing, bool]:
    """Ask what is filed of a period, or of the last one; return also whether it is of a quarter.

    Whether a taxpayer files each quarter the gateway knows better than the command line.
    """
    asked = period or _last(today, quarterly=quarterly)
    year_and_month(asked)  # raises `InvalidInput`
    settings = whose.gather()
    console.asks(settings)
    one = ask_filing(console, settings, asked)
    if one.quarterly is None or one.quarterly is quarterly:
        return one, quarterly
    if quarterly:
        console.tell(f"{one.gstin} files each month, says the gateway: --quarterly does not count.")
    if period is None:
        one = ask_filing(console, settings, _last(today, quarterly=one.quarterly))
    return one, bool(one.quarterly)


def _what_is_left(days: int, whose: _Taxpayer) -> str:
    if whose.filed_on is not None:
        return f"GSTR-3B is filed on {whose.filed_on:%d-%m-%Y}: from then on no action counts for it."
    if whose.asked and days < 0:
        return f"GSTR-3B was due {counted(-days, 'day')} ago and is not filed: actions count until it is."
    if days >= 0:
        known = "GSTR-3B is not filed: " if whose.asked else ""
        return f"{known}{counted(days, 'day')} left to act, if GSTR-3B is filed on the day that it is due."
    return f"The last day to act was {counted(-days, 'day')} ago, unless GSTR-3B is filed late."


def _day(text: str) -> dt.date:
    try:
        return parse_day(text)
    except ValueError as error:
        raise InvalidInput(f"--filed-on: {error}") from None


def _last(today: dt.date, *, quarterly: bool) -> str:
    """Return the last month, or of a quarterly taxpayer the last one that ended a quarter."""
    month = today.year * 12 + today.month - 2
    if quarterly:
        month -= (month + 1) % 3
    return f"{month % 12 + 1:02d}{month // 12}"
