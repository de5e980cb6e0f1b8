"""Read one document of a GSTR-2B: what each section calls its members, and how each is read.

Tables stand in place of cattrs here: a section has its own keys, its amounts are those of the document or
the sum of its items, and every member that does not fit is named.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

import attrs

from ...model.gstr2b import EXACT, Gstr2bDocument, Gstr2bPlace, Gstr2bSection, ItcAvailable, TaxAmounts
from ...model.records import ItcReduction
from .rows import DECLARED
from .values import ACTIONS, DAYS, MOST, PERIODS, money, parse_day

Read = Callable[[Any], Any]
Members = Mapping[str, tuple[str, Read]]
"""The attribute of each key, and how its value is read."""


class Unreadable(ValueError):
    """A row that does not fit. `problems` name its members."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


# -- single values ---------------------------------------------------------------------------------------


def _text(value: object) -> str:
    if type(value) is not str:
        raise TypeError(f"{value!r:.60} is not text")
    return value


def _number(value: object) -> str:
    """Return the number of a bill of entry, which is digits: as text, or as a JSON number."""
    return str(value) if type(value) is int and 0 <= value < MOST else _text(value)


def rupees(value: object) -> Decimal:
    """Return an amount of a size that can be added up exactly. Raises `TypeError` or `ValueError`."""
    amount = money(value)
    # `adjusted` first: to compare it with a number would take four times as long.
    if amount.adjusted() >= _DIGITS or (type(value) is Decimal and int(value.as_tuple().exponent) < -_DIGITS):
        raise ValueError(f"{value!r:.60} is not an amount")
    return amount


_DIGITS: Final = len(str(MOST)) - 1


def _declared(value: object) -> Decimal:
    amount = rupees(value)
    if amount < 0:
        raise ValueError(f"{value!r:.60} is negative")
    return amount


def _day(value: object) -> dt.date:
    return DAYS[value] if type(value) is str else parse_day(value)


def _period(value: object) -> str:
    return PERIODS[_text(value)]


def _among(known: Mapping[Any, Any]) -> Read:
    """Return the reader of a value that is one of a few."""

    def read(value: object) -> Any:
        if not isinstance(value, str) or value not in known:
            raise ValueError(f"{value!r:.60} is not one of {', '.join(known)}")
        return known[value]

    return read


_FLAG: Final = _among({"Y": True, "N": False})
_AVAILABLE: Final = _among({str(word): word for word in ItcAvailable})
_ACTION: Final = _among(ACTIONS)
_NOTE: Final = _among({"C": "C", "D": "D"})  # the sign of its amounts depends on it
_ISD_DOCUMENT: Final = _among({"ISDI": "ISDI", "ISDC": "ISDC"})


# -- the sections ----------------------------------------------------------------------------------------

# The schema `document` that the page is linked to; what is not in it is in the page's samples.
# https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/gstr-2b/document
_HEADS: Final = ("igst", "cgst", "sgst", "cess")
_AMOUNTS: Final[Members] = {key: (key, rupees) for key in ("txval", *_HEADS)}
_REDUCTION: Final[Members] = {
    "itcRedReq": ("required", _FLAG), **{key: (head, _declared) for head, key in DECLARED.items()}
}  # fmt: skip
_COMMON: Final[Members] = {
    **_AMOUNTS,
    "val": ("value", rupees),
    "pos": ("place_of_supply", _text),
    "rev": ("reverse_charge", _FLAG),
    "itcavl": ("itc_available", _AVAILABLE),
    "rsn": ("reason", _text),
    "imsStatus": ("ims_status", _ACTION),
    "irn": ("irn", _text),
    "remarks": ("remarks", _text),
}
_INVOICE: Final[Members] = {
    **_COMMON, "inum": ("number", _text), "dt": ("date", _day), "typ": ("type", _text)
}  # fmt: skip
_INVOICE_AMENDED: Final[Members] = {
    **_INVOICE, "oinum": ("original_number", _text), "oidt": ("original_date", _day)
}  # fmt: skip
_CREDIT_OR_DEBIT: Final[Members] = {
    **_COMMON,
    "ntnum": ("number", _text),
    "dt": ("date", _day),
    "typ": ("note_type", _NOTE),
    "suptyp": ("type", _text),
}
_ISD: Final[Members] = {
    **_COMMON,
    "docnum": ("number", _text),
    "docdt": ("date", _day),
    "doctyp": ("note_type", _ISD_DOCUMENT),
    "itcelg": ("itc_available", _AVAILABLE),
}
_IMPORT: Final[Members] = {
    **_COMMON,
    "boenum": ("number", _number),
    "boedt": ("date", _day),
    "portcode": ("port_code", _text),
    "isamd": ("amended", _FLAG),
}
_SUPPLIER: Final[Members] = {
    "ctin": ("supplier", _text),
    "trdnm": ("supplier_name", _text),
    "supprd": ("supplier_period", _period),
    "supfildt": ("supplier_filed_on", _day),
}


@attrs.frozen
class Form:
    """The form of a section: the key of a supplier's documents (empty for a list of its own), its members."""

    documents: str
    members: Members
    needed: tuple[str, ...]
    amended: bool = False


FORMS: Final = {
    Gstr2bSection.B2B: Form("inv", _INVOICE, ("inum", "dt")),
    Gstr2bSection.B2BA: Form("inv", _INVOICE_AMENDED, ("inum", "dt"), amended=True),
    Gstr2bSection.CDNR: Form("nt", _CREDIT_OR_DEBIT, ("ntnum", "dt", "typ")),
    Gstr2bSection.CDNRA: Form(
        "nt",
        {
            **_CREDIT_OR_DEBIT,
            "ontnum": ("original_number", _text),
            "ontdt": ("original_date", _day),
            "onttyp": ("original_note_type", _NOTE),
        },
        ("ntnum", "dt", "typ"),
        amended=True,
    ),
    Gstr2bSection.ECOM: Form("inv", _INVOICE, ("inum", "dt")),
    Gstr2bSection.ECOMA: Form("inv", _INVOICE_AMENDED, ("inum", "dt"), amended=True),
    Gstr2bSection.ISD: Form(
        "doclist",
        {**_ISD, "oinvnum": ("original_number", _text), "oinvdt": ("original_date", _day)},
        ("docnum", "docdt", "doctyp"),
    ),
    Gstr2bSection.ISDA: Form(
        "doclist",
        {
            **_ISD,
            "odocnum": ("original_number", _text),
            "odocdt": ("original_date", _day),
            "odoctyp": ("original_note_type", _ISD_DOCUMENT),
        },
        ("docnum", "docdt", "doctyp"),
        amended=True,
    ),
    Gstr2bSection.IMPG: Form("", _IMPORT, ("boenum", "boedt")),
    Gstr2bSection.IMPGSEZ: Form("boe", _IMPORT, ("boenum", "boedt")),
}


# -- rows ------------------------------------------------------------------------------------------------


def read_supplier(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Read what a supplier's documents have in common. Raises `Unreadable`."""
    problems: list[str] = []
    found = _attributes(facts, _SUPPLIER, problems, needed=("ctin",))
    if problems:
        raise Unreadable(problems)
    return found


def read_document(
    section: Gstr2bSection, place: Gstr2bPlace, row: object, supplier: Mapping[str, Any]
) -> Gstr2bDocument:
    """Read one document; `supplier` is what `read_supplier` returned. Raises `Unreadable`."""
    if not isinstance(row, dict):
        raise Unreadable([f": {row!r:.60} is not an object"])
    form, problems = FORMS[section], list[str]()
    facts = _attributes(row, form.members, problems, needed=form.needed)
    amounts = {key: facts.pop(key) for key in _AMOUNTS if key in facts}
    if all(row.get(key) in _NOTHING for key in _HEADS) and (row.get("items") or not amounts):
        amounts = {**_summed(row.get("items"), problems), **amounts}
    if "note_type" in facts:
        problems += [
            f".{key}: {amount} is negative, and the type of a note has its sign"
            for key, amount in amounts.items()
            if amount < 0
        ]
    extra = facts["extra"]
    if row.get("itcRedReq") not in _NOTHING:
        facts["itc_reduction"] = _reduction(extra, problems)
    if problems:
        raise Unreadable(problems)
    taxable = amounts.pop("txval", None)
    facts = {"supplier": "", "amended": form.amended, **supplier, **facts}
    if supplier.get("extra"):
        facts["extra"] = {**supplier["extra"], **extra}
    return Gstr2bDocument(
        section=section, place=place, tax=TaxAmounts(**amounts), taxable_value=taxable, **facts
    )


_NOTHING: Final = (None, "")  # GSTN writes either for what there is not


def _attributes(
    row: Mapping[str, Any], members: Members, problems: list[str], *, needed: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return the attributes of a row by name, and in `extra` what is not known; notes what does not fit."""
    found: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for key, value in row.items():
        member = members.get(key)
        if member is None:
            extra[key] = value
        elif value is not None and value != "":
            name, read = member
            try:
                found[name] = read(value)
            except (TypeError, ValueError) as error:
                problems.append(f".{key}: {error}")
    problems += [f".{key}: missing" for key in needed if row.get(key) in _NOTHING]
    found["extra"] = extra
    return found


def _reduction(extra: dict[str, Any], problems: list[str]) -> ItcReduction | None:
    """Take the ITC reduction out of the members that a section does not have of its own."""
    there = {key: extra.pop(key) for key in _REDUCTION if key in extra}
    facts = _attributes(there, _REDUCTION, problems)
    del facts["extra"]
    return ItcReduction(**facts) if "required" in facts else None


def _summed(items: object, problems: list[str]) -> dict[str, Decimal]:
    """Return the sum of the items by rate, which older rows have in place of amounts."""
    if not isinstance(items, list) or not items:
        problems.append(".igst: missing, and there are no items with amounts by rate")
        return {}
    sums: dict[str, Decimal] = {}
    for place, item in enumerate(items):
        amiss: list[str] = []
        amounts = _attributes(item if isinstance(item, dict) else {}, _AMOUNTS, amiss)
        del amounts["extra"]
        if not (amounts or amiss):
            amiss.append(f": {item!r:.60} has no amounts")
        problems += [f".items[{place}]{problem}" for problem in amiss]
        for key, amount in amounts.items():
            sums[key] = EXACT.add(sums.get(key, Decimal(0)), amount)
    return sums
