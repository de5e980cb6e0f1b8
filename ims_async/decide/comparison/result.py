"""What a comparison of IMS records with a GSTR-2B found, with its sums."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, overload

import attrs

from ...model.gstr2b import Gstr2b, Gstr2bDocument, TaxAmounts
from ...model.plain import counted
from ...model.records import Invoice
from .changes import DocumentChange, DocumentChangeKind
from .judging import heads_of, rupees
from .kinds import BY_RECOMPUTING, FOR_A_PERSON, ComparedKind


@attrs.frozen(weakref_slot=False)
class Compared:
    """What was found of one record of IMS, of one document of the GSTR-2B, or of a record that is a document.

    `reason` is one sentence with figures. `tax` is that of the record, else of the document, negative for a
    credit note, or a reversal. `credit` is what the document gives by the GSTR-2B, `expected` what
    it should give by the action of the record: zero where it is known why there is none. `candidates` are
    those of the other side that it may be, where several are alike; the record or document itself is
    then alone.
    """

    kind: ComparedKind
    invoice: Invoice | None
    document: Gstr2bDocument | None
    reason: str
    tax: TaxAmounts
    credit: TaxAmounts
    expected: TaxAmounts
    candidates: tuple[Invoice, ...] | tuple[Gstr2bDocument, ...] = ()

    @property
    def needs_a_person(self) -> bool:
        """Whether somebody has to look at it: all else is as it should be, or its reason is known."""
        return self.kind in FOR_A_PERSON

    @property
    def difference(self) -> TaxAmounts:
        """What the GSTR-2B gives less what it should give, in rupees."""
        return self.credit - self.expected

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values; of the candidates their number."""
        return {
            "kind": str(self.kind),
            "needs_a_person": self.needs_a_person,
            "reason": self.reason,
            "invoice": self.invoice and self.invoice.to_dict(),
            "document": self.document and self.document.to_dict(),
            "tax": self.tax.to_dict(),
            "credit": self.credit.to_dict(),
            "expected": self.expected.to_dict(),
            "candidates": len(self.candidates),
        }


@attrs.frozen(kw_only=True, weakref_slot=False)
class ComparedTotal:
    """All of one kind: how many, their tax as `Compared.tax` has it, the credit, and the credit expected."""

    count: int = 0
    tax: TaxAmounts = attrs.field(factory=TaxAmounts)
    credit: TaxAmounts = attrs.field(factory=TaxAmounts)
    expected: TaxAmounts = attrs.field(factory=TaxAmounts)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        heads = {name: getattr(self, name).to_dict() for name in ("tax", "credit", "expected")}
        return {"count": self.count, **heads}


class Comparison(Sequence[Compared]):
    """One `Compared` for each record and each document, those for a person first; by supplier and number.

    The order does not depend on that of the records or documents. With an earlier GSTR-2B
    (`before`), `credit_before` is the credit that it gave, and `changes` are the documents that changed.
    `filing_to_ask` is the earlier period whose GSTR-3B decides whether what is missing may be in an earlier
    GSTR-2B: compare again, with `taxpayer.filing` of it. It is None where nothing depends on it.
    """

    def __init__(
        self,
        gstr2b: Gstr2b,
        found: list[Compared],
        totals: Mapping[ComparedKind, ComparedTotal],
        *,
        records: int,
        before: Gstr2b | None = None,
        credit_before: TaxAmounts | None = None,
        changes: tuple[DocumentChange, ...] = (),
        recompute_due: bool = False,
        filed_on: dt.date | None = None,
        filing_to_ask: str | None = None,
    ) -> None:
        self.gstr2b, self.before, self.changes, self.totals = gstr2b, before, changes, totals
        self._found, self._records = found, records
        self._is_due, self._filed_on = recompute_due, filed_on
        self.credit_before, self.filing_to_ask = credit_before, filing_to_ask

    @overload
    def __getitem__(self, place: int) -> Compared: ...
    @overload
    def __getitem__(self, place: slice) -> list[Compared]: ...
    def __getitem__(self, place: int | slice) -> Compared | list[Compared]:
        return self._found[place]

    def __len__(self) -> int:
        return len(self._found)

    def __repr__(self) -> str:
        counts = ", ".join(f"{count:,} {kind}" for kind, count in self.counts.items() if count)
        return f"<Comparison of {self.gstr2b.gstin} for {self.gstr2b.period}: {counts or 'nothing'}>"

    def of(self, kind: ComparedKind) -> list[Compared]:
        """Return those of one kind."""
        return [one for one in self._found if one.kind == kind]

    @property
    def findings(self) -> list[Compared]:
        """Those that need a person."""
        return [one for one in self._found if one.needs_a_person]

    @property
    def counts(self) -> Mapping[ComparedKind, int]:
        """How many there are of each kind."""
        return {kind: self.totals[kind].count for kind in ComparedKind}

    @property
    def credit(self) -> TaxAmounts:
        """The credit that the documents of the GSTR-2B give, in rupees."""
        return sum((total.credit for total in self.totals.values()), TaxAmounts())

    @property
    def expected(self) -> TaxAmounts:
        """The credit that they should give by the actions in IMS, in rupees."""
        return sum((total.expected for total in self.totals.values()), TaxAmounts())

    @property
    def difference(self) -> TaxAmounts:
        """The credit less what it should be: positive where the GSTR-2B gives too much."""
        return self.credit - self.expected

    @property
    def recompute_due(self) -> bool:
        """Whether the GSTR-2B is older than the actions, and can be computed anew: GSTR-3B is not filed.

        It is so by `recompute_due=True` of `compare`, or if it shows.
        """
        shows = any(self.totals[kind].count for kind in BY_RECOMPUTING)
        return self._filed_on is None and (self._is_due or shows)

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as JSON values: rupees as text, dates as `2026-10-05`."""
        made = self.gstr2b.generated_on
        return {
            "gstin": self.gstr2b.gstin,
            "period": self.gstr2b.period,
            "generated_on": made and made.isoformat(),
            "checksum": self.gstr2b.checksum,
            "recompute_due": self.recompute_due,
            "filing_to_ask": self.filing_to_ask,
            "credit": self.credit.to_dict(),
            "expected": self.expected.to_dict(),
            "difference": self.difference.to_dict(),
            "credit_before": self.credit_before and self.credit_before.to_dict(),
            "kinds": {str(kind): total.to_dict() for kind, total in self.totals.items() if total.count},
            "compared": [one.to_dict() for one in self._found],
            "changes": [one.to_dict() for one in self.changes],
        }

    def __str__(self) -> str:
        made = self.gstr2b.generated_on
        generated = "" if made is None else f", generated on {made:%d-%m-%Y}"
        statement = f"the GSTR-2B of {self.gstr2b.gstin} for {self.gstr2b.period}{generated}"
        documents = counted(len(self.gstr2b.documents), "document")
        said = [f"{counted(self._records, 'record')} of IMS and {documents} of {statement}"]
        if problems := len(self.gstr2b.problems) + (len(self.before.problems) if self.before else 0):
            said.append(f"Not all could be read ({counted(problems, 'problem')}): what was not is in no sum")
        said += [self._rupees(), self._counted(needs_a_person=True), self._counted(needs_a_person=False)]
        if self.recompute_due:
            said.append("It is older than the actions: compute it anew")
        if self.credit_before is not None:
            said.append(self._changed(self.credit_before))
        return " ".join(f"{sentence}." for sentence in said if sentence)

    def _rupees(self) -> str:
        credit, expected, difference = self.credit, self.expected, self.difference
        if difference == TaxAmounts():
            return f"It gives a credit of {rupees(credit.total)}, as the actions say"
        whole = f"It gives a credit of {rupees(credit.total)}, and should give {rupees(expected.total)}"
        return f"{whole}: the difference is {rupees(difference.total)} ({heads_of(difference)})"

    def _counted(self, *, needs_a_person: bool) -> str:
        counts = {
            kind: n for kind, n in self.counts.items() if n and (kind in FOR_A_PERSON) is needs_a_person
        }
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
        if needs_a_person:
            whole = sum(counts.values())
            return f"{whole:,} {'needs' if whole == 1 else 'need'} a person: {kinds}" if counts else ""
        return f"{'The others' if self.findings else 'Nothing needs a person'}: {kinds}" if counts else ""

    def _changed(self, before: TaxAmounts) -> str:
        kinds = [one.kind for one in self.changes]
        counts = [f"{kinds.count(kind):,} {kind}" for kind in DocumentChangeKind if kind in kinds]
        documents = f"of documents {', '.join(counts)}" if counts else "no document changed"
        return f"The earlier one gave {rupees(before.total)}; {documents}"
