"""Compare the records of IMS with a GSTR-2B, at once or in steps that leave an event loop free in between."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from ...errors import InvalidInput
from ...model.gstr2b import EXACT, Filing, Gstr2b, Gstr2bDocument, Gstr2bPlace, TaxAmounts
from ...model.plain import counted
from ...model.records import Invoice
from ...steps import Steps, run, run_async
from ..deadlines import Deadlines
from ..matching.matcher import listed
from .changes import DocumentChange, changes_steps
from .circumstances import Circumstances, circumstances_steps
from .judging import NOTHING, WORDS, credit_of, of_both, of_document, of_record, rupees, signed, tax_of
from .kinds import RANKS, ComparedKind
from .ordering import order_of_document, order_of_record, sorted_steps
from .pairing import STEP, Pairs, alike_key, check_document, pairing_steps, short
from .result import Compared, ComparedTotal, Comparison

_NAMED = 3  # candidates that a reason names
_NOT_THERE = frozenset({ComparedKind.MISSING, ComparedKind.RECOMPUTE_DUE, ComparedKind.DUPLICATE})


def compare(
    invoices: Iterable[Invoice],
    gstr2b: Gstr2b,
    *,
    before: Gstr2b | None = None,
    filings: Iterable[Filing] = (),
    recompute_due: bool | None = None,
    dates: Deadlines | None = None,
) -> Comparison:
    """Compare the records of IMS with the GSTR-2B of one period; nothing is sent.

    Pass all records of the taxpayer, as `all_invoices` reads them. A record and a document are the same by
    section, supplier, number and date: the number exactly, else without regard to case and blanks. Where
    several are alike, none is chosen. `before` is an earlier GSTR-2B of the same period. `filings` are the
    taxpayer's own (was GSTR-3B filed?) and its suppliers' (when was GSTR-1 filed?), as far as they are
    known. `recompute_due` says whether actions have changed since the GSTR-2B was made, None that this is
    not known. `dates` replaces `deadlines(period)` where a notification has moved them. 100,000 records take
    some seconds; `compare_async` is the same for programs with an event loop. Raises `InvalidInput` for a
    GSTR-2B of another taxpayer, of a period before IMS or without documents, and for records and documents
    with amounts, dates or numbers that are none.
    """
    return run(_steps(invoices, gstr2b, before, filings, recompute_due, dates))


async def compare_async(
    invoices: Iterable[Invoice],
    gstr2b: Gstr2b,
    *,
    before: Gstr2b | None = None,
    filings: Iterable[Filing] = (),
    recompute_due: bool | None = None,
    dates: Deadlines | None = None,
) -> Comparison:
    """Compare as `compare` does, and let other tasks run every few milliseconds."""
    return await run_async(_steps(invoices, gstr2b, before, filings, recompute_due, dates))


def _steps(
    invoices: Iterable[Invoice],
    gstr2b: Gstr2b,
    before: Gstr2b | None,
    filings: Iterable[Filing],
    recompute_due: bool | None,
    dates: Deadlines | None,
) -> Steps[Comparison]:
    records = listed(invoices, Invoice, "invoices", "pass the records that were read")
    yield
    returns = listed(filings, Filing, "filings", "pass a list of what `taxpayer.filing` returned")
    yield from _check(gstr2b, before)
    if dates is not None and not isinstance(dates, Deadlines):
        raise InvalidInput(f"dates: {dates!r:.60} is no Deadlines; decide.deadlines(period) returns some")
    yield from _check_recipients(records, gstr2b.gstin.upper())
    pairs = yield from pairing_steps(records, gstr2b.documents)
    known = yield from circumstances_steps(gstr2b, returns, recompute_due, dates)
    found = yield from _compared_steps(records, gstr2b.documents, pairs, known)
    in_order = yield from sorted_steps(found, _order, _order_of_alike)
    totals = yield from _totals_steps(in_order)
    filing_to_ask = yield from _to_ask_steps(in_order, known)
    changes: tuple[DocumentChange, ...] = ()
    credit_before: TaxAmounts | None = None
    if before is not None:
        credit_before = yield from _credit_steps(before.documents)
        changes = yield from changes_steps(before.documents, gstr2b.documents)
    return Comparison(
        gstr2b,
        in_order,
        totals,
        records=len(records),
        before=before,
        credit_before=credit_before,
        changes=changes,
        recompute_due=known.recompute_due is True,
        filed_on=known.filed_on,
        filing_to_ask=filing_to_ask,
    )


def _check(gstr2b: Gstr2b, before: Gstr2b | None) -> Steps[None]:
    for name, one in (("gstr2b", gstr2b), ("before", before)):
        if one is None and name == "before":
            continue
        if not isinstance(one, Gstr2b):
            raise InvalidInput(
                f"{name}: {one!r:.60} is no Gstr2b", advice="pass what `taxpayer.gstr2b` returned"
            )
        if one.summary_only:
            raise InvalidInput(
                f"{name}: the GSTR-2B of {one.period} is a summary, without documents to compare",
                advice="read it again",
            )
        listed(one.documents, Gstr2bDocument, f"{name}.documents", "read them again")
        yield
    if before is not None and (before.gstin.upper(), before.period) != (gstr2b.gstin.upper(), gstr2b.period):
        raise InvalidInput(
            f"before: it is of {before.gstin} for {before.period}, and the GSTR-2B is of {gstr2b.gstin} for "
            f"{gstr2b.period}"
        )


def _check_recipients(records: Sequence[Invoice], gstin: str) -> Steps[None]:
    for count, record in enumerate(records):
        if not count % STEP:
            yield
        if record.recipient is not None and record.recipient.upper() != gstin:
            raise InvalidInput(f"{record.key} was read for {record.recipient}, and the GSTR-2B is of {gstin}")


def _compared_steps(
    records: Sequence[Invoice], documents: Sequence[Gstr2bDocument], pairs: Pairs, known: Circumstances
) -> Steps[list[Compared]]:
    found: list[Compared] = []
    for count, (place, other) in enumerate(pairs.both):
        if not count % STEP:
            yield
        record, document = records[place], documents[other]
        tax, credit = tax_of(record), document.credit
        kind, why, due = of_both(record, document, tax, credit, known)
        found.append(Compared(kind, record, document, why, signed(record, tax), credit, due))
    alike = yield from _alike_steps([documents[place] for place in pairs.documents])
    for count, place in enumerate(pairs.records):
        if not count % STEP:
            yield
        record = records[place]
        tax = tax_of(record)
        kind, why, due = of_record(record, tax, known, alike.get(alike_key(record)))
        found.append(Compared(kind, record, None, why, signed(record, tax), NOTHING, due))
    for count, place in enumerate(pairs.documents):
        if not count % STEP:
            yield
        document = documents[place]
        credit = document.credit
        kind, why, due = of_document(document, credit, known)
        found.append(Compared(kind, None, document, why, document.signed_tax, credit, due))
    for mine, theirs in pairs.several:
        yield from _several([records[one] for one in mine], [documents[one] for one in theirs], known, found)
    return found


def _alike_steps(documents: Sequence[Gstr2bDocument]) -> Steps[dict[object, Gstr2bDocument]]:
    """Return a document by supplier, number and year: a record may be that, with another section or date."""
    found: dict[object, Gstr2bDocument] = {}
    for count, document in enumerate(documents):
        if not count % STEP:
            yield
        if document.ims_section is not None and document.place is not Gstr2bPlace.REVERSAL:
            other = found.setdefault(key := alike_key(document), document)
            if other is not document:
                found[key] = min(other, document, key=order_of_document)
    return found


def _several(
    records: list[Invoice], documents: list[Gstr2bDocument], known: Circumstances, found: list[Compared]
) -> Steps[None]:
    """Add what has one number and date, and of which a side has more than one: nothing is chosen."""
    records = yield from sorted_steps(records, order_of_record)
    documents = yield from sorted_steps(documents, order_of_document)
    here, there = f"IMS has it {_times(len(records))}", f"the GSTR-2B has it {_times(len(documents))}"
    kind = ComparedKind.AMBIGUOUS if records and documents else ComparedKind.DUPLICATE
    if not records:
        has = documents[0].ims_section is not None  # IMS has no records of imports
        here = f"The GSTR-2B has it {_times(len(documents))}{', and IMS does not' if has else ''}"
        there = ""
    elif not documents:
        here, there = f"{here}, and the GSTR-2B does not", ""
    else:
        there = f", and {there}: which belong together is not known"
    named = _named([_record_words(one) for one in records[: _NAMED + 1]], len(records))
    others = _named([_document_words(one) for one in documents[: _NAMED + 1]], len(documents))
    their_candidates, my_candidates = tuple(records), tuple(documents)
    for count, record in enumerate(records):
        if not count % STEP:
            yield
        tax = tax_of(record)
        due = credit_of(record, tax) if documents else of_record(record, tax, known)[2]
        why = f"{here}{there} ({others or named})."
        found.append(Compared(kind, record, None, why, signed(record, tax), NOTHING, due, my_candidates))
    for count, document in enumerate(documents):
        if not count % STEP:
            yield
        why = f"{here}{there} ({named or others})."
        tax, credit = document.signed_tax, document.credit
        found.append(Compared(kind, None, document, why, tax, credit, NOTHING, their_candidates))


def _times(count: int) -> str:
    return "once" if count == 1 else counted(count, "time")


def _named(words: list[str], whole: int) -> str:
    more = whole - _NAMED
    named = "; ".join(words[:_NAMED])
    return f"{named}; and {more:,} more" if more > 0 else named


def _record_words(record: Invoice) -> str:
    which = f"{short(record.number)} of the return of {short(record.return_period)}"
    return f"in IMS {which}, {WORDS[record.action]}, tax {rupees(tax_of(record).total)}"


def _document_words(document: Gstr2bDocument) -> str:
    period = f" of the return of {short(document.supplier_period)}" if document.supplier_period else ""
    which = f"{short(document.number)}{period}"
    return f"in the GSTR-2B {which}, part {document.place}, tax {rupees(document.tax.total)}"


def _order(one: Compared) -> tuple[object, ...]:
    its = one.invoice or one.document
    assert its is not None  # noqa: S101 # one of the two is there
    return RANKS[one.kind], its.supplier, its.number, its.date.toordinal()


def _order_of_alike(one: Compared) -> tuple[object, ...]:
    record = () if one.invoice is None else order_of_record(one.invoice)
    document = () if one.document is None else order_of_document(one.document)
    return one.invoice is None, one.document is None, record, document


class _Adding:
    """A sum by heads, without a value for each addition."""

    def __init__(self) -> None:
        self._igst = self._cgst = self._sgst = self._cess = Decimal(0)

    def add(self, amounts: TaxAmounts) -> None:
        """Add amounts."""
        if amounts is NOTHING:
            return
        add = EXACT.add
        self._igst, self._cgst = add(self._igst, amounts.igst), add(self._cgst, amounts.cgst)
        self._sgst, self._cess = add(self._sgst, amounts.sgst), add(self._cess, amounts.cess)

    @property
    def total(self) -> TaxAmounts:
        """The sum."""
        return TaxAmounts(igst=self._igst, cgst=self._cgst, sgst=self._sgst, cess=self._cess)


def _credit_steps(documents: Sequence[Gstr2bDocument]) -> Steps[TaxAmounts]:
    """Check the documents of an earlier GSTR-2B, and add up the credit that they give."""
    adding = _Adding()
    for count, document in enumerate(documents):
        if not count % STEP:
            yield
        check_document(document)
        adding.add(document.credit)
    return adding.total


def _totals_steps(found: Sequence[Compared]) -> Steps[dict[ComparedKind, ComparedTotal]]:
    counts = dict.fromkeys(ComparedKind, 0)
    sums = {kind: (_Adding(), _Adding(), _Adding()) for kind in ComparedKind}
    for count, one in enumerate(found):
        if not count % STEP:
            yield
        counts[one.kind] += 1
        tax, credit, expected = sums[one.kind]
        tax.add(one.tax)
        credit.add(one.credit)
        expected.add(one.expected)
    return {
        kind: ComparedTotal(count=counts[kind], tax=tax.total, credit=credit.total, expected=expected.total)
        for kind, (tax, credit, expected) in sums.items()
    }


def _to_ask_steps(found: Sequence[Compared], known: Circumstances) -> Steps[str | None]:
    """Return the earlier period whose GSTR-3B decides about what is missing; None if it does not."""
    for count, one in enumerate(found):
        if not count % STEP:
            yield
        if one.invoice is None or one.kind not in _NOT_THERE:
            continue
        if one.kind is ComparedKind.DUPLICATE and one.expected == NOTHING:
            continue
        if (period := known.filing_to_ask(one.invoice)) is not None:
            return period
    return None
