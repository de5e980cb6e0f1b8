"""What is known about a period and its suppliers, beside the records and the documents."""

from __future__ import annotations

import datetime as dt
from collections.abc import Container, Iterable, Mapping, Sequence

import attrs

from ...errors import InvalidInput
from ...model.gstr2b import Filing, Gstr2b, Gstr2bPlace
from ...model.records import Invoice
from ...model.vocabulary import SourceForm, period_problem
from ...rules.periods import earliest_gstr2b, month_of, period_of
from ...steps import Steps
from ..deadlines import Deadlines, deadlines
from .pairing import STEP

Return = tuple[str, str]
"""A supplier's GSTIN, and the period of its return."""


@attrs.frozen(kw_only=True)
class Circumstances:
    """The dates of a period, the returns that were filed, and whether the GSTR-2B is older than actions.

    `in_time` has the suppliers' returns of which the GSTR-2B has documents, if it is the first that can have
    them: these were filed by the cut-off. What is there of an earlier return may be of its GSTR-1A.
    `filing_known` says whether it is known if the taxpayer's own GSTR-3B is filed (then `filed_on`), `unread`
    how many problems there were in reading the GSTR-2B. `filed_until` is the last month whose own GSTR-3B is
    known to be filed (0: none), `unfiled` are the months whose own GSTR-3B is known not to be.
    """

    gstin: str
    period: str
    dates: Deadlines
    quarterly: bool
    filing_known: bool
    filed_on: dt.date | None
    unread: int
    recompute_due: bool | None
    filings: Mapping[Return, Filing]
    in_time: Container[Return]
    filed_until: int
    unfiled: Sequence[int]

    def why_later(self, record: Invoice) -> str | None:
        """Return why a later GSTR-2B has a record; None if that is not known."""
        home, month = self._home(record), month_of(self.period)
        from_gstr1a = record.source_form == SourceForm.GSTR1A
        if home is not None and month is not None and home > month:
            form = "GSTR-1A of " if from_gstr1a else "the return of "
            return f"it is of {form}{record.return_period}, which goes to that of {period_of(home)}"
        filing = None if from_gstr1a else self.filings.get(_return_of(record))
        filed_on = None if filing is None else filing.gstr1_filed_on
        if filed_on is not None and filed_on > (last := self._cut_offs(record, filing)[1]):
            return f"its supplier filed on {filed_on:%d-%m-%Y}, and the last day was {last:%d-%m-%Y}"
        if self.filed_on is not None:
            return f"GSTR-3B was filed on {self.filed_on:%d-%m-%Y}, and what IMS keeps then is of a later one"
        return None

    def earlier(self, record: Invoice) -> tuple[str, str] | None:
        """Return the earlier periods whose GSTR-2B may have a record, and one whose GSTR-3B is not filed."""
        months = self._open_before(record)
        unfiled = next((month for month in self.unfiled if month in months), None)
        return None if unfiled is None else (_any_of(months), period_of(unfiled))

    def maybe_earlier(self, record: Invoice) -> str | None:
        """Return the earlier periods whose GSTR-2B may have a record, if their GSTR-3B is not filed."""
        months = self._open_before(record)
        return _any_of(months) if months else None

    def filing_to_ask(self, record: Invoice) -> str | None:
        """Return the period whose own GSTR-3B decides whether an earlier GSTR-2B may have a record."""
        months = self._open_before(record)
        return period_of(months[-1]) if months else None

    def _open_before(self, record: Invoice) -> range:
        """Return the months before this one whose GSTR-2B may have a record: GSTR-3B may not be filed.

        What is accepted leaves IMS when GSTR-3B is filed. Returns are filed in their order, section 39(10) of
        the CGST Act: where one is filed, so are all before it.
        """
        home, month = self._home(record), month_of(self.period)
        if home is None or month is None:
            return range(0)
        first = max(home, _of_quarter(self.filed_until + 1, quarterly=self.quarterly))
        return range(first, month, 3 if self.quarterly else 1)

    def _home(self, record: Invoice) -> int | None:
        """Return the period of the earliest GSTR-2B that can have a record; of a quarter its last month."""
        return _home(record.return_period, record.source_form, quarterly=self.quarterly)

    def not_filed(self, record: Invoice) -> bool:
        """Whether its supplier has not filed it, by the record or as far as the gateway knows.

        That there is no GSTR-1 proves nothing of GSTR-5, nor of IFF, in which a quarterly supplier furnishes
        the first two months of a quarter; a record of it may say R1 too.
        """
        if record.supplier_filed is not None:
            return record.not_filed
        filing, month = self.filings.get(_return_of(record)), month_of(record.return_period)
        if filing is None or filing.gstr1_filed_on is not None or month is None:
            return False
        may_be_iff = filing.quarterly is not False and (month + 1) % 3 != 0
        return not may_be_iff and record.source_form not in (SourceForm.IFF, SourceForm.GSTR5)

    def why_in_time(self, record: Invoice) -> str | None:
        """Return why its supplier's return was filed by the cut-off; None if that is not known."""
        if record.source_form == SourceForm.GSTR1A:
            return None
        if _return_of(record) in self.in_time:
            return "others of the same return are there"
        filing = self.filings.get(_return_of(record))
        filed_on = None if filing is None else filing.gstr1_filed_on
        if filed_on is None or filed_on > self._cut_offs(record, filing)[0]:
            return None
        return f"its supplier filed in time, on {filed_on:%d-%m-%Y}"

    @property
    def what_to_do(self) -> str:
        """Say how a GSTR-2B comes to follow the actions."""
        if self.filed_on is None:
            return "compute the GSTR-2B anew"
        return f"GSTR-3B was filed on {self.filed_on:%d-%m-%Y}, so it cannot be computed anew"

    @property
    def cut_off(self) -> dt.date:
        """The last day on which any supplier could file for this period."""
        return max(self.dates.gstr1.date, self.dates.gstr1_quarterly.date)

    def _cut_offs(self, record: Invoice, filing: Filing | None) -> tuple[dt.date, dt.date]:
        """Return the last day on which its supplier surely could file, and that on which it may be."""
        monthly, quarterly = self.dates.gstr1.date, self.dates.gstr1_quarterly.date
        if record.source_form == SourceForm.IFF or (filing is not None and filing.quarterly):
            return quarterly, quarterly
        if filing is None or filing.quarterly is None:
            return min(monthly, quarterly), self.cut_off
        return monthly, monthly


def _home(period: str, form: str | None, *, quarterly: bool) -> int | None:
    month = earliest_gstr2b(period, form)
    return None if month is None else _of_quarter(month, quarterly=quarterly)


def _of_quarter(month: int, *, quarterly: bool) -> int:
    """Return the month of its GSTR-2B: of a quarterly taxpayer the last one of the quarter."""
    return month + 2 - month % 3 if quarterly else month


def _any_of(months: range) -> str:
    first, last = period_of(months[0]), period_of(months[-1])
    return first if first == last else f"a period from {first} to {last}"


def _return_of(record: Invoice) -> Return:
    return record.supplier.strip().upper(), record.return_period


def _check_filing(filing: Filing) -> None:
    named = f"filings: that of {filing.gstin!r:.40} for {filing.period!r:.40}"
    if not isinstance(filing.gstin, str) or period_problem(filing.period):
        raise InvalidInput(f"{named} needs a GSTIN and a period MMYYYY")
    for day in (filing.gstr1_filed_on, filing.gstr3b_filed_on):
        if day is not None and (not isinstance(day, dt.date) or isinstance(day, dt.datetime)):
            raise InvalidInput(f"{named}: {day!r:.40} is no date", advice="use datetime.date(2026, 11, 10)")


def circumstances_steps(
    gstr2b: Gstr2b, filings: Iterable[Filing], recompute_due: bool | None, dates: Deadlines | None
) -> Steps[Circumstances]:
    """Put together what is known. Raises `InvalidInput` for a period before IMS and another one's dates."""
    known = dates or deadlines(gstr2b.period)
    if known.period != gstr2b.period:
        raise InvalidInput(f"dates: they are of {known.period}, and the GSTR-2B is of {gstr2b.period}")
    by_return = {}
    for one in filings:
        _check_filing(one)
        by_return[one.gstin.upper(), one.period] = one
    mine = gstr2b.gstin.upper()
    own = by_return.get((mine, gstr2b.period))
    whole = [one for (gstin, _), one in by_return.items() if gstin == mine]
    said = {one.quarterly for one in whole}
    quarterly = True in said if own is None or own.quarterly is None else own.quarterly
    in_time: set[Return] = set()
    first = {}  # by period: whether this is the first GSTR-2B that can have a return of it
    for count, document in enumerate(gstr2b.documents):
        if not count % STEP:
            yield
        # What is reversed is of an old return, and a distributor's GSTR-6 says nothing of GSTR-1.
        if document.ims_section is not None and document.place is not Gstr2bPlace.REVERSAL:
            period = document.supplier_period or ""
            if period not in first:
                first[period] = _home(period, None, quarterly=quarterly) == month_of(gstr2b.period)
            if first[period]:
                in_time.add((document.supplier.strip().upper(), period))
    return Circumstances(
        gstin=gstr2b.gstin.upper(),
        period=gstr2b.period,
        dates=known,
        quarterly=quarterly,
        filing_known=own is not None,
        filed_on=None if own is None else own.gstr3b_filed_on,
        unread=len(gstr2b.problems),
        recompute_due=recompute_due,
        filings=by_return,
        in_time=in_time,
        filed_until=max(_months(one for one in whole if one.gstr3b_filed_on is not None), default=0),
        unfiled=sorted(_months(one for one in whole if one.gstr3b_filed_on is None)),
    )


def _months(filings: Iterable[Filing]) -> list[int]:
    return [month for one in filings if (month := month_of(one.period)) is not None]
