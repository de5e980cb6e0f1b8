"""The documents of a GSTR-2B: those that come from records of IMS, and those that IMS never shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from ..seeding import STATES, date_in, draw_amount, make_gstin, make_name, taxes
from .periods import day_after, later, months, period_of, quarter_end, written

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..records import Record, Taxpayer
    from ..seeding import Money

# A section of IMS, its section of GSTR-2B, and the type of a note.
_SECTIONS = {
    "b2b": ("b2b", ""),
    "b2ba": ("b2ba", ""),
    "b2bcn": ("cdnr", "C"),
    "b2bdn": ("cdnr", "D"),
    "b2bcna": ("cdnra", "C"),
    "b2bdna": ("cdnra", "D"),
    "ecom": ("ecom", ""),
    "ecoma": ("ecoma", ""),
}
_FILED_UNTIL = {"IFF": 13}
_MONTHLY_UNTIL = 11
_DECLARED_HEADS = {"igst": "declIgst", "cgst": "declCgst", "sgst": "declSgst", "cess": "declCess"}
_DECLARED = {
    "remarks": "remarks",
    "itcRedReq": "itc_reduction",
    "declIgst": "declared_igst",
    "declCgst": "declared_cgst",
    "declSgst": "declared_sgst",
    "declCess": "declared_cess",
}


class Group(NamedTuple):
    """The supplier and its return, under which a statement lists documents; empty where there is none."""

    ctin: str = ""
    trdnm: str = ""
    supprd: str = ""
    """MMYYYY."""
    supfildt: str = ""
    """DD-MM-YYYY."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document of a GSTR-2B, as the portal knows it; money in rupees."""

    section: str
    """The section of the statement: `cdnr` has both kinds of notes."""
    fields: Mapping[str, Any]
    """As they are sent, the amounts but for the document's value left out."""
    money: Mapping[str, Decimal]
    """Its amounts by the names `txval`, `igst`, `cgst`, `sgst`, `cess`, as far as the section has them."""
    group: Group
    rejected: bool = False
    """Whether it was rejected in IMS, and is in `docRejdata`."""
    reversal: bool = False
    """Whether it is in `itcrev`."""
    rate: int = 18
    """Percent; sent in the layout of before October 2024 and in reversals."""

    @property
    def credit_note(self) -> bool:
        """Whether it takes credit away."""
        return (self.fields.get("typ"), self.section[:4]) == ("C", "cdnr") or self.isd_credit

    @property
    def counted(self) -> Mapping[str, Decimal]:
        """Its amounts as the sums of the statement take them.

        Of a credit note that was accepted they take what its ITC reduction declares. No document says so of
        the sums, but they are the credit, and only that is given up (GSTN FAQ of 17-10-2025).
        """
        declared = {head: self.fields.get(name) for head, name in _DECLARED_HEADS.items()}
        required = self.fields.get("itcRedReq")
        if not self.credit_note or required is None or (required == "Y" and not any(declared.values())):
            return self.money
        given_up = {head: amount if required == "Y" else None for head, amount in declared.items()}
        return {**self.money, **{head: amount or Decimal(0) for head, amount in given_up.items()}}

    @property
    def isd_credit(self) -> bool:
        """Whether it is a credit note of an ISD."""
        return self.fields.get("doctyp") == "ISDC"


def home(record: Record, *, quarterly: bool) -> str:
    """Return the period of the GSTR-2B to which a record belongs.

    A record of GSTR-1A belongs to the next one (GSTN FAQ of 17-10-2025); one that was filed late to that in
    whose window it was filed (rule 60(7) of the CGST Rules).
    """
    period = later(record.period, int(record.form == "R1A"))
    if record.filed_on:
        in_time = record.filed_on.day <= _FILED_UNTIL.get(record.form, _MONTHLY_UNTIL)
        period = max(period, later(period_of(record.filed_on), -int(in_time)), key=months)
    return quarter_end(period) if quarterly else period


def of_record(record: Record) -> Document | None:
    """Return the document of a record; None if it is pending, or its supplier has not filed it."""
    if record.action == "P" or not record.filed:
        return None
    section, note = _SECTIONS[record.section]
    number, day = ("ntnum", "dt") if note else ("inum", "dt")
    fields: dict[str, Any] = {number: record.number, day: record.date, "val": record.value}
    fields |= {"typ": note, "suptyp": record.type} if note else {"typ": record.type or "R"}
    fields["pos"] = record.place
    if record.original_number and note:
        fields |= {"onttyp": note, "ontnum": record.original_number, "ontdt": record.original_date}
    elif record.original_number:
        fields |= {"oinum": record.original_number, "oidt": record.original_date}
    if record.action == "R":
        fields |= {"remarks": record.remarks} if record.remarks else {}
        fields |= {"rsn": ""} if section.startswith("ecom") else {}  # required there
    else:
        fields |= {"rev": "N", "itcavl": "Y", "rsn": "", "imsStatus": record.action}
        if not section.startswith("ecom"):
            fields["diffprcnt"] = 1
        declared = {name: getattr(record, attribute) for name, attribute in _DECLARED.items()}
        fields |= {name: value for name, value in declared.items() if value is not None}
    fields |= _e_invoice(record) if section == "b2b" else {}
    return Document(
        section,
        fields,
        _amounts(record),
        Group(record.supplier, make_name(Random(record.supplier)), record.period, _filing_day(record)),
        rejected=record.action == "R",
        rate=record.rate,
    )


def _amounts(record: Record) -> dict[str, Decimal]:
    taxed = {"igst": record.igst, "cgst": record.cgst, "sgst": record.sgst, "cess": record.cess}
    return {"txval": record.taxable, **taxed}


def _e_invoice(record: Record) -> dict[str, str]:
    """Return the fields of an e-invoice: about every other invoice is one."""
    if int(record.hash[0], 16) % 2:
        return {}
    return {"srctyp": "e-Invoice", "irn": record.hash[::-1], "irngendate": record.date}


def _filing_day(record: Record) -> str:
    """Return the day on which the supplier filed; the same for all that it filed in one return."""
    if record.filed_on:
        return written(record.filed_on)
    until = 20 if record.form == "R1A" else _FILED_UNTIL.get(record.form, _MONTHLY_UNTIL)
    return written(day_after(record.period, until - sum(map(ord, record.supplier)) % 5))


def never_in_ims(seed: int, taxpayer: Taxpayer, period: str) -> Iterator[Document]:
    """Make the documents of a period that reach the statement without IMS: the same for the same seed.

    Reverse charge, credit barred by the place of supply or by section 16(4), those of an ISD, imports, and a
    reversal for tax that the supplier has not paid.
    """
    rng = Random(f"{seed}/{taxpayer.gstin}/{period}/gstr2b")
    draw = _Draw(rng, taxpayer, period)
    open_ = {"rsn": "", "itcavl": "Y"}
    yield draw.invoice("RC/1", {"rev": "Y", **open_}, pos=taxpayer.state)
    yield draw.note("RC/2", {"rev": "Y", **open_})
    yield draw.invoice("POS/1", {"rev": "N", "itcavl": "N", "rsn": "P"}, pos=None)
    yield draw.invoice("LATE/1", {"rev": "N", "itcavl": "N", "rsn": "C"}, pos=taxpayer.state, late=18)
    for amended in (False, True):
        yield draw.distributed("ISDI", amended=amended)
        yield draw.distributed("ISDC", amended=amended)
        yield draw.imported("impg", amended=amended)
    yield draw.imported("impgsez", amended=False)
    yield draw.invoice("REV/1", {"rev": "N"}, pos=taxpayer.state, late=7, reversal=True)


class _Draw:
    """Draw documents of one taxpayer and period."""

    def __init__(self, rng: Random, taxpayer: Taxpayer, period: str) -> None:
        self._rng, self._taxpayer, self._period = rng, taxpayer, period
        self._serial = 0

    def _from(self, state: str, *, late: int = 0, days: tuple[int, int] = (5, 11)) -> Group:
        """Draw a supplier, with the period and the day of its return; `late` is in months."""
        filed = written(day_after(self._period, self._rng.randint(*days)))
        gstin = make_gstin(self._rng, state)
        return Group(gstin, make_name(Random(gstin)), later(self._period, -late), filed)

    def _money(self, *, inter: bool) -> Money:
        return taxes(draw_amount(self._rng), 18, inter=inter)

    def invoice(
        self,
        number: str,
        fields: Mapping[str, str],
        *,
        pos: str | None,
        late: int = 0,
        reversal: bool = False,
    ) -> Document:
        """Draw an invoice; without a place of supply it is that of a supplier in another state."""
        others = [state for state in STATES if state != self._taxpayer.state]
        state = self._rng.choice(STATES) if pos else self._rng.choice(others)
        group = self._from(state, late=late)
        money = self._money(inter=pos is not None and pos != state)
        drawn: dict[str, Any] = {"inum": number, "typ": "R", "dt": date_in(self._rng, group.supprd)}
        drawn |= {"val": money["value"], "pos": pos or state, "diffprcnt": 1, **fields}
        if reversal:
            drawn = {name: drawn[name] for name in ("inum", "typ", "dt", "pos", "rev")}
        return Document("b2b", drawn, _shown(money), group, reversal=reversal)

    def note(self, number: str, fields: Mapping[str, str]) -> Document:
        """Draw a credit note."""
        group = self._from(self._taxpayer.state)
        money = self._money(inter=False)
        drawn: dict[str, Any] = {"ntnum": number, "typ": "C", "suptyp": "R", "val": money["value"]}
        drawn |= {"dt": date_in(self._rng, self._period), "pos": self._taxpayer.state, "diffprcnt": 1}
        return Document("cdnr", {**drawn, **fields}, _shown(money), group)

    def distributed(self, kind: str, *, amended: bool) -> Document:
        """Draw what an input service distributor passes on."""
        self._serial += 1
        money = _shown(self._money(inter=True))
        del money["txval"]
        drawn = {"doctyp": kind, "docnum": f"ISD/{self._serial}", "docdt": date_in(self._rng, self._period)}
        drawn |= {"itcelg": "Y"}
        if kind == "ISDC":
            drawn |= {"oinvnum": "ISD/0", "oinvdt": date_in(self._rng, self._period, months_before=1)}
        if amended:
            earlier = date_in(self._rng, self._period, months_before=1)
            drawn |= {"odoctyp": kind, "odocnum": f"ISD/{self._serial}", "odocdt": earlier}
        group = self._from(self._taxpayer.state, days=(5, 13))
        return Document("isda" if amended else "isd", drawn, money, group)

    def imported(self, section: str, *, amended: bool) -> Document:
        """Draw a bill of entry."""
        money = _shown(self._money(inter=True))
        day = date_in(self._rng, self._period)
        drawn = {"refdt": day, "recdt": day, "portcode": "INNSA1"}
        drawn |= {"boenum": f"{self._rng.randrange(1_000_000, 9_999_999)}", "boedt": day}
        drawn["isamd"] = "Y" if amended else "N"
        paid = {name: money[name] for name in ("txval", "igst", "cess")}
        group = Group(*self._from(self._taxpayer.state)[:2]) if section == "impgsez" else Group()
        return Document(section, drawn, paid, group)


def _shown(money: Money) -> dict[str, Decimal]:
    taxed = {"igst": money["igst"], "cgst": money["cgst"], "sgst": money["sgst"], "cess": money["cess"]}
    return {"txval": money["taxable"], **taxed}
