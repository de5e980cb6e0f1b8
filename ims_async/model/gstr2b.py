"""GSTR-2B, a taxpayer's statement of input tax credit for one period: exact rupees, real dates. No JSON."""

from __future__ import annotations

import datetime as dt
from decimal import Context, Decimal
from enum import StrEnum
from typing import Any, Final

import attrs

from .plain import Plain, counted
from .records import ItcReduction
from .vocabulary import Action, Section


class Gstr2bSection(StrEnum):
    """A section of the statement; the values are GSTN's keys. `cdnr` holds credit and debit notes."""

    B2B = "b2b"
    B2BA = "b2ba"
    CDNR = "cdnr"
    CDNRA = "cdnra"
    ECOM = "ecom"
    ECOMA = "ecoma"
    ISD = "isd"
    ISDA = "isda"
    IMPG = "impg"
    IMPGSEZ = "impgsez"


class ItcAvailable(StrEnum):
    """Whether the credit of a document is available; the values are GSTN's `itcavl` (`itcelg` of an ISD)."""

    YES = "Y"
    NO = "N"
    TEMPORARY = "T"


class Gstr2bPlace(StrEnum):
    """The part of the statement that a document is in."""

    CREDIT = "credit"
    """It counts (`docdata`)."""
    REJECTED = "rejected"
    """It was rejected in IMS (`docRejdata`): no credit, and a credit note reduces none."""
    REVERSAL = "reversal"
    """Credit to be reversed because the supplier's tax stays unpaid (`itcrev`; rule 37A)."""


EXACT: Final = Context(prec=60)
"""Sums are exact whatever the program's own context rounds to."""


@attrs.frozen(kw_only=True, weakref_slot=False)
class TaxAmounts(Plain):
    """Rupees by tax head. Sums and differences are exact."""

    igst: Decimal = Decimal(0)
    cgst: Decimal = Decimal(0)
    sgst: Decimal = Decimal(0)
    cess: Decimal = Decimal(0)

    @property
    def total(self) -> Decimal:
        """The sum of the four heads."""
        add = EXACT.add
        return add(add(self.igst, self.cgst), add(self.sgst, self.cess))

    def __add__(self, other: TaxAmounts) -> TaxAmounts:
        add = EXACT.add
        return TaxAmounts(
            igst=add(self.igst, other.igst),
            cgst=add(self.cgst, other.cgst),
            sgst=add(self.sgst, other.sgst),
            cess=add(self.cess, other.cess),
        )

    def __neg__(self) -> TaxAmounts:
        minus = EXACT.minus
        return TaxAmounts(
            igst=minus(self.igst), cgst=minus(self.cgst), sgst=minus(self.sgst), cess=minus(self.cess)
        )

    def __sub__(self, other: TaxAmounts) -> TaxAmounts:
        return self + -other

    def given_up(self, reduction: ItcReduction | None) -> TaxAmounts:
        """Return what an accepted credit note of this tax takes from the credit: all, or what is declared.

        None is no word on it, and takes all.
        """
        if reduction is None or (reduction.required and not reduction.amounts):
            return self
        return TaxAmounts(**reduction.amounts) if reduction.required else TaxAmounts()


@attrs.frozen(kw_only=True, weakref_slot=False)
class Gstr2bDocument(Plain):
    """One document of a GSTR-2B. Money is in rupees; that of a credit note is positive, and taken away.

    `supplier` is the e-commerce operator in `ecom` and `ecoma`, and empty in `impg`. `number` is that of the
    bill of entry in `impg` and `impgsez`, whose `port_code` is then set. `supplier_period` and
    `supplier_filed_on` are those of the supplier's return. `reason` says why credit is not available: "P" for
    the place of supply, "C" for a return filed after the annual cut-off (section 16(4)); empty otherwise.
    `ims_status` is the action in IMS that the statement was made with: A, R or N; None where IMS does not
    apply, or the statement does not say. `taxable_value` and `value` are None where a section has none.
    """

    section: Gstr2bSection
    place: Gstr2bPlace = Gstr2bPlace.CREDIT
    supplier: str
    number: str
    date: dt.date
    tax: TaxAmounts
    taxable_value: Decimal | None = None
    value: Decimal | None = None
    supplier_name: str | None = None
    supplier_period: str | None = None
    supplier_filed_on: dt.date | None = None
    note_type: str | None = None
    """"C" for a credit note, "D" for a debit note; "ISDI" and "ISDC" in the sections of an ISD."""
    type: str | None = None
    place_of_supply: str | None = None
    reverse_charge: bool | None = None
    itc_available: ItcAvailable | None = None
    reason: str = ""
    ims_status: Action | None = None
    original_number: str | None = None
    original_date: dt.date | None = None
    original_note_type: str | None = None
    port_code: str | None = None
    amended: bool = False
    irn: str | None = None
    itc_reduction: ItcReduction | None = None
    remarks: str | None = None
    extra: dict[str, Any] = attrs.field(factory=dict, hash=False)

    @property
    def ims_section(self) -> Section | None:
        """The section of IMS in which the document is; None for those that IMS has no records of."""
        return _IMS_SECTIONS.get((self.section, self.note_type if self.section in _NOTES else None))

    @property
    def credit_note(self) -> bool:
        """Whether it takes credit away."""
        return self.note_type in ("C", "ISDC")

    @property
    def signed_tax(self) -> TaxAmounts:
        """Its tax, in rupees: negative for a credit note, or a reversal, but not for the reversal of one."""
        return -self.tax if self.credit_note != (self.place is Gstr2bPlace.REVERSAL) else self.tax

    @property
    def credit(self) -> TaxAmounts:
        """What it adds to the available credit, in rupees: negative for a credit note, or a reversal.

        A credit note takes what its ITC reduction declares, if the statement has one. An amendment counts
        whole: no field has what it amends.
        """
        if self.place is Gstr2bPlace.REJECTED or self.itc_available is ItcAvailable.NO:
            return TaxAmounts()
        if self.credit_note and self.place is Gstr2bPlace.CREDIT:
            return -self.tax.given_up(self.itc_reduction)
        return self.signed_tax


_NOTES = frozenset({Gstr2bSection.CDNR, Gstr2bSection.CDNRA})
_IMS_SECTIONS = {
    (Gstr2bSection.B2B, None): Section.B2B,
    (Gstr2bSection.B2BA, None): Section.B2BA,
    (Gstr2bSection.ECOM, None): Section.ECOM,
    (Gstr2bSection.ECOMA, None): Section.ECOMA,
    (Gstr2bSection.CDNR, "C"): Section.B2BCN,
    (Gstr2bSection.CDNR, "D"): Section.B2BDN,
    (Gstr2bSection.CDNRA, "C"): Section.B2BCNA,
    (Gstr2bSection.CDNRA, "D"): Section.B2BDNA,
}


@attrs.frozen(kw_only=True)
class Gstr2b(Plain):
    """The GSTR-2B of one period (`MMYYYY`), all its files joined.

    `generated_on` is a day: two statements of one day differ in `checksum` at most. `summary` has the credit
    by part, as the gateway sums it up: `available`, `unavailable`, `reversal`, `rejected`. `documents` is
    empty with `summary_only` True where the gateway gave a summary and no documents. `files` is the number of
    its files, 0 for a mere summary. `problems` name what could not be read (`strict=False`). `other` has what
    is not read: the summaries by group (`itcsumm`) and by supplier (`cpsumm`), and sections and members that
    are not known.
    """

    gstin: str
    period: str
    documents: tuple[Gstr2bDocument, ...] = attrs.field(default=(), repr=lambda found: f"<{len(found):,}>")
    generated_on: dt.date | None = None
    version: str | None = None
    checksum: str | None = None
    summary: dict[str, TaxAmounts] = attrs.field(factory=dict, hash=False)
    files: int = 1
    summary_only: bool = False
    problems: tuple[str, ...] = ()
    other: dict[str, Any] = attrs.field(factory=dict, hash=False, repr=lambda other: repr(sorted(other)))

    @property
    def credit(self) -> TaxAmounts:
        """The credit that its documents give, in rupees: what is available less what is reversed."""
        return sum((document.credit for document in self.documents), TaxAmounts())

    def __str__(self) -> str:
        made = "" if self.generated_on is None else f", generated on {self.generated_on:%d-%m-%Y}"
        documents = f"{counted(len(self.documents), 'document')}, credit ₹{self.credit.total:,.2f}"
        what = "a mere summary, without its documents" if self.summary_only else documents
        amiss = f"; {counted(len(self.problems), 'problem')}" if self.problems else ""
        return f"GSTR-2B of {self.gstin} for {self.period}{made}: {what}{amiss}"


@attrs.frozen(kw_only=True)
class Filing(Plain):
    """Whether a taxpayer has filed the returns of one period (`MMYYYY`), as far as the GSP knows.

    `gstr1_filed_on` and `gstr3b_filed_on` are None where no filed return is known. `quarterly` is True for a
    QRMP taxpayer, None where the GSP did not say.
    """

    gstin: str
    period: str
    gstr1_filed_on: dt.date | None = None
    gstr3b_filed_on: dt.date | None = None
    quarterly: bool | None = None

    @property
    def filed(self) -> dict[str, dt.date]:
        """The day of its GSTR-3B by period, or empty: what `decide.deadlines` takes."""
        return {} if self.gstr3b_filed_on is None else {self.period: self.gstr3b_filed_on}
