"""Frozen values for the documents of IMS: exact money (`Decimal`, rupees), real dates. No JSON, no HTTP."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

import attrs

from .plain import Plain, counted
from .vocabulary import Action, GoodsType, Section


class RecordKey(NamedTuple):
    """The key of a record within a GSTIN."""

    section: Section | str
    supplier: str
    number: str
    date: dt.date | None
    return_period: str | None

    def __str__(self) -> str:
        day = f"{self.date:%d-%m-%Y}" if isinstance(self.date, dt.date) else self.date or "?"
        return f"{self.section} {self.number} of {day} from {self.supplier} ({self.return_period})"


_new_key: Final = tuple.__new__


def _rupees(amount: Decimal | int) -> Decimal:
    """Convert whole rupees to a Decimal; a float stays a float, so that the offline checks refuse it."""
    return Decimal(amount) if isinstance(amount, int) else amount


@attrs.frozen(kw_only=True, weakref_slot=False)
class ItcReduction:
    """The input tax credit to reverse on accepting, in rupees per tax head.

    Make one with `none()`, `full()` or `partial(…)`. `required` True without amounts is a full reversal,
    `required` False no reversal.
    """

    required: bool
    igst: Decimal | None = None
    cgst: Decimal | None = None
    sgst: Decimal | None = None
    cess: Decimal | None = None

    @classmethod
    def none(cls) -> ItcReduction:
        """Declare that no credit is to be reversed (`itcRedReq` N)."""
        return cls(required=False)

    @classmethod
    def full(cls) -> ItcReduction:
        """Reverse the whole credit (`itcRedReq` Y without amounts)."""
        return cls(required=True)

    @classmethod
    def partial(
        cls,
        *,
        igst: Decimal | int = 0,
        cgst: Decimal | int = 0,
        sgst: Decimal | int = 0,
        cess: Decimal | int = 0,
    ) -> ItcReduction:
        """Reverse these amounts, in rupees (`itcRedReq` Y with `declIgst`, `declCgst`, …)."""
        return cls(
            required=True, igst=_rupees(igst), cgst=_rupees(cgst), sgst=_rupees(sgst), cess=_rupees(cess)
        )

    @property
    def amounts(self) -> dict[str, Decimal]:
        """The declared heads by name; empty for a full or no reversal."""
        heads = {"igst": self.igst, "cgst": self.cgst, "sgst": self.sgst, "cess": self.cess}
        return {head: amount for head, amount in heads.items() if amount is not None}


@attrs.frozen(kw_only=True, weakref_slot=False)
class Invoice(Plain):
    """One invoice or note, of any section, as the recipient sees it.

    Money is in rupees, exact. `number`, `return_period` (`"102024"`) and `place_of_supply` (`"07"`) are
    text: their leading zeros count. Fields that a gateway adds later are kept in `extra`. `recipient` is the
    GSTIN that it was read for, None if it was made by hand; it can be saved under that taxpayer only.
    Fields: GST API documentation, "IMS - Get Invoice".
    """

    section: Section
    supplier: str
    number: str
    date: dt.date
    return_period: str
    value: Decimal
    taxable_value: Decimal
    igst: Decimal
    cgst: Decimal
    sgst: Decimal
    cess: Decimal
    action: Action = Action.NO_ACTION
    original_number: str | None = None
    original_date: dt.date | None = None
    type: str | None = None
    source_form: str | None = None
    place_of_supply: str | None = None
    pending_allowed: bool | None = None
    supplier_filed: bool | None = None
    supplier_name: str | None = None
    remarks: str | None = None
    remarks_allowed: bool | None = None
    itc_reduction: ItcReduction | None = None
    itc_reduction_allowed: bool | None = None
    hash: str | None = None
    recipient: str | None = None
    extra: dict[str, Any] = attrs.field(factory=dict, hash=False)
    # Ids that a gateway sent go back unchanged, even if they break a published pattern; typed ones are
    # refused. So a record keeps whether it was read.
    read_from_gateway: bool = attrs.field(default=False, eq=False, repr=False)

    @property
    def key(self) -> RecordKey:
        """`(section, supplier, number, date, return_period)`."""
        ids = (self.section, self.supplier, self.number, self.date, self.return_period)
        return _new_key(RecordKey, ids)  # what `RecordKey(*ids)` does, in half the time

    @property
    def not_filed(self) -> bool:
        """True where the gateway says that its supplier has not filed it; None is no such word."""
        return self.supplier_filed is False

    def accept(self, remarks: str | None = None, itc_reduction: ItcReduction | None = None) -> Decision:
        """Decide to accept it. For a credit note GSTN requires an `itc_reduction` (else IMSSAV0054)."""
        return Decision(invoice=self, action=Action.ACCEPT, remarks=remarks, itc_reduction=itc_reduction)

    def reject(self, remarks: str | None = None) -> Decision:
        """Decide to reject it."""
        return Decision(invoice=self, action=Action.REJECT, remarks=remarks)

    def keep_pending(self, remarks: str | None = None) -> Decision:
        """Decide to keep it pending; `save` refuses it if the gateway does not allow that."""
        return Decision(invoice=self, action=Action.PENDING, remarks=remarks)


class Draft:
    """A subclass of this and of a frozen class, in the same slots, is that class under construction.

    Its attributes are assigned, all of them; then `__class__` is switched to the frozen class. The checked
    assignments of a frozen class take ten times as long, which counts where each row makes a value.
    """

    __slots__ = ()
    __setattr__ = object.__setattr__
    __delattr__ = object.__delattr__  # with one of the two alone, both are called by way of Python


class InvoiceDraft(Draft, Invoice):
    """An `Invoice` under construction."""

    __slots__ = ()


@attrs.frozen(kw_only=True, weakref_slot=False)
class Decision(Plain):
    """A decision on one record. The record's own `action` is sent as its previous action."""

    invoice: Invoice
    action: Action
    remarks: str | None = None
    itc_reduction: ItcReduction | None = None

    @property
    def section(self) -> Section:
        """The record's section."""
        return self.invoice.section

    @property
    def supplier(self) -> str:
        """The supplier's GSTIN."""
        return self.invoice.supplier

    @property
    def number(self) -> str:
        """The document's number."""
        return self.invoice.number

    @property
    def date(self) -> dt.date:
        """The document's date."""
        return self.invoice.date

    @property
    def return_period(self) -> str:
        """The supplier's return period, `MMYYYY`."""
        return self.invoice.return_period

    @property
    def key(self) -> RecordKey:
        """The record's key."""
        return self.invoice.key


Record = Decision | Invoice
"""What a change carries: decisions to be saved, or invoices to be reset."""


class InvoiceList(list[Invoice]):
    """The rows of an answer, as a list that also has the rows that could not be read."""

    def __init__(
        self,
        rows: list[Invoice] | None = None,
        *,
        problems: tuple[str, ...] = (),
        other: Mapping[str, Any] | None = None,
    ) -> None:
        if rows:
            self.extend(rows)
        self.problems = problems
        self.other: dict[str, Any] = dict(other) if other else {}

    def __repr__(self) -> str:
        return f"<InvoiceList of {len(self):,} rows, {len(self.problems):,} problems>"


@attrs.frozen(kw_only=True, weakref_slot=False)
class SectionCounts:
    """The number of records of one section with each action."""

    no_action: int = 0
    accepted: int = 0
    rejected: int = 0
    pending: int = 0
    extra: dict[str, Any] = attrs.field(factory=dict, hash=False)

    @property
    def total(self) -> int:
        """The sum of all four."""
        return self.no_action + self.accepted + self.rejected + self.pending

    def __str__(self) -> str:
        counts = {
            "without an action": self.no_action,
            "accepted": self.accepted,
            "rejected": self.rejected,
            "pending": self.pending,
        }
        return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count) or "none"


@attrs.frozen(kw_only=True, weakref_slot=False)
class Counts(Plain):
    """Counts by section: `counts[Section.B2B].no_action`, `counts["impg"]`; an absent section counts zero."""

    total: int
    goods_type: GoodsType = GoodsType.OTHERS
    sections: dict[str, SectionCounts] = attrs.field(factory=dict, hash=False)
    extra: dict[str, Any] = attrs.field(factory=dict, hash=False)

    def __getitem__(self, section: Section | str) -> SectionCounts:
        return self.sections.get(str(section).lower(), _NO_COUNTS)

    def __str__(self) -> str:
        of_each = "; ".join(f"{name}: {found}" for name, found in self.sections.items() if found.total)
        return counted(self.total, "record") + (f": {of_each}" if of_each else "")


_NO_COUNTS = SectionCounts()
