"""Read one row of an answer as an invoice.

There are two readers with equal results. The *plain* one is made by cattrs, has detailed errors, and defines
what a row is. The *quick* one is written by hand, five times faster, and registered as a cattrs hook. A row
that the quick reader cannot read goes to the plain one, which names the problems.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, get_args

import attrs

from ...model.records import Invoice, ItcReduction
from ...model.vocabulary import Section
from .readers import CONVERTER, MISSING, reader
from .values import ACTIONS, DAYS, PERIODS, Cache, money

# The keys of the documents' attributes; the supplier view and the added-back liabilities have them too.
AMOUNT_NAMES: Final = {
    "value": "val", "taxable_value": "txval", "igst": "iamt", "cgst": "camt", "sgst": "samt",
}  # fmt: skip
INVOICE_NAMES: Final = {
    "number": "inum", "date": "idt", "original_number": "oinum", "original_date": "oidt", "type": "inv_typ",
}  # fmt: skip
NOTE_NAMES: Final = INVOICE_NAMES | {
    "number": "nt_num", "date": "nt_dt", "original_number": "ont_num", "original_date": "ont_dt",
}  # fmt: skip
_COMMON: Final = AMOUNT_NAMES | {
    "supplier": "stin",
    "return_period": "rtnprd",
    "source_form": "srcform",
    "place_of_supply": "pos",
    "cess": "cess",
    "action": "action",
    "hash": "hash",
    "supplier_name": "tradenm",
    "remarks": "remarks",
}
DECLARED: Final = {"igst": "declIgst", "cgst": "declCgst", "sgst": "declSgst", "cess": "declCess"}
_ALLOWED: Final[dict[object, bool]] = {"Y": False, "N": True, True: False, False: True}
_FILED: Final[dict[object, bool]] = {
    "Filed": True, "FILED": True, "F": True, "Not Filed": False, "SAVED": False,
}  # fmt: skip
# Each flag with its spellings, the likeliest first. The vendors' pages disagree on the meaning of
# `ispendactblocked`; by its name and GSTN's use Y means blocked: not allowed.
# GST API documentation, "IMS - Get Invoice".
_FLAGS: Final = (
    ("pending_allowed", _ALLOWED, ("ispendactblocked", "ispendactnallwd")),
    ("remarks_allowed", _ALLOWED, ("isRemarksBlocked",)),
    ("itc_reduction_allowed", _ALLOWED, ("isItcRedReqBlocked", "itcRedReqBlocked")),
    ("supplier_filed", _FILED, ("srcfilstatus",)),
)


def wire_names(section: Section) -> dict[str, str]:
    """Return the key of each attribute of an invoice in this section's rows."""
    names = _COMMON | (NOTE_NAMES if section.is_note else INVOICE_NAMES)
    if section.is_ecommerce:
        del names["type"]
    return names


def _flags(row: dict[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """Read the flags of a row, and the keys that were read; an unknown letter stays in `extra`."""
    given: dict[str, Any] = {}
    used: set[str] = set()
    for name, letters, spellings in _FLAGS:
        for key in spellings:
            if key in row:
                letter = row[key]
                if isinstance(letter, str | bool) and letter in letters:
                    given[name] = letters[letter]
                    used.add(key)
                break
    declared = {head: row[key] for head, key in DECLARED.items() if row.get(key) is not None}
    if row.get("itcRedReq") in ("Y", "N") and all(type(n) in (int, Decimal) for n in declared.values()):
        heads = {head: money(amount) for head, amount in declared.items()}
        given["itc_reduction"] = ItcReduction(required=row["itcRedReq"] == "Y", **heads)
        used.update(("itcRedReq", *DECLARED.values()))
    return given, used


@functools.cache
def plain_reader(section: Section) -> Callable[..., Invoice]:
    """Return the reader that defines what a row is, and names its problems."""
    read = reader(Invoice, wire_names(section), hooks={"return_period": lambda period, _: PERIODS[period]})

    def plain(row: object, recipient: str | None = None) -> Invoice:
        if not isinstance(row, dict):
            raise TypeError(f"{row!r:.60} is not an object")
        given, used = _flags(row)
        rest = {"action": MISSING, **{key: value for key, value in row.items() if key not in used}}
        return read(rest, section=section, recipient=recipient, read_from_gateway=True, **given)

    return plain


# An invoice under construction: the same slots, without the checked assignment of the frozen class, which for
# twenty-six attributes takes a third of the time of a row. `__class__` is switched when it is complete.
_Draft: Any = attrs.make_class(
    "_Draft",
    [field.name for field in attrs.fields(Invoice)],
    bases=Invoice.__bases__,
    slots=True,
    weakref_slot=False,
    init=False,
    eq=False,
)
# Properties that live gateways send and no document has.
_NEWER: Final = frozenset({"tradenm", "remarks"})


def _fill_newer(draft: Any, row: dict[str, Any], base: frozenset[str]) -> bool:
    """Fill in the properties that are not documented; False if the plain reader has to read the row."""
    name, remarks = row.get("tradenm"), row.get("remarks")
    if not (isinstance(name, str | None) and isinstance(remarks, str | None)):
        return False
    given, used = _flags(row)
    draft.supplier_name, draft.remarks = name, remarks
    draft.remarks_allowed = given.get("remarks_allowed")
    draft.itc_reduction = given.get("itc_reduction")
    draft.itc_reduction_allowed = given.get("itc_reduction_allowed")
    known = base | used | _NEWER
    draft.extra = {key: value for key, value in row.items() if key not in known}
    return True


def _quick_reader(section: Section, plain: Callable[..., Invoice]) -> Callable[..., Invoice]:
    names = wire_names(section)
    number_key, day_key = names["number"], names["date"]
    original_number_key, original_day_key = names["original_number"], names["original_date"]
    amended, typed = section.is_amendment, not section.is_ecommerce
    # A row that names an original and is no amendment is rare: the plain reader reads it.
    strange = frozenset() if amended else frozenset({original_number_key, original_day_key})
    base = frozenset(names.values()) - _NEWER - strange | {"ispendactblocked", "srcfilstatus"}
    shared = _SharedTexts(str)

    def quick(row: Any, _: Any = None, recipient: str | None = None) -> Invoice:
        try:
            draft = _Draft()
            supplier, number, hash_ = row["stin"], row[number_key], row["hash"]
            source_form, place = row["srcform"], row["pos"]
            # A GSP uses one name or the other.
            blocked = row["ispendactblocked" if "ispendactblocked" in row else "ispendactnallwd"]
            kind: Any = row["inv_typ"] if typed else None
            original = row[original_number_key] if amended else None
            if not (type(supplier) is type(number) is type(hash_) is type(source_form) is type(place) is str):
                return plain(row, recipient)
            if (typed and type(kind) is not str) or (amended and type(original) is not str):
                return plain(row, recipient)
            if type(blocked) is not str and type(blocked) is not bool:
                return plain(row, recipient)  # 1 equals True, but is not a valid flag
            draft.section = section
            draft.supplier, draft.number, draft.hash = shared[supplier], number, hash_
            draft.source_form, draft.place_of_supply = shared[source_form], shared[place]
            draft.type = shared[kind] if typed else None
            draft.date, draft.return_period = DAYS[row[day_key]], PERIODS[row["rtnprd"]]
            draft.original_number = original
            draft.original_date = DAYS[row[original_day_key]] if amended else None
            amount = row["val"]
            draft.value = amount if type(amount) is Decimal else money(amount)
            amount = row["txval"]
            draft.taxable_value = amount if type(amount) is Decimal else money(amount)
            amount = row["iamt"]
            draft.igst = amount if type(amount) is Decimal else money(amount)
            amount = row["camt"]
            draft.cgst = amount if type(amount) is Decimal else money(amount)
            amount = row["samt"]
            draft.sgst = amount if type(amount) is Decimal else money(amount)
            amount = row["cess"]
            draft.cess = amount if type(amount) is Decimal else money(amount)
            draft.action = ACTIONS[row["action"]]
            draft.pending_allowed = _ALLOWED[blocked]
            draft.supplier_filed = _FILED[row["srcfilstatus"]]
            if len(row) == len(base):
                draft.supplier_name = draft.remarks = draft.remarks_allowed = None
                draft.itc_reduction = draft.itc_reduction_allowed = None
                draft.extra = {}
            elif not strange.isdisjoint(row) or not _fill_newer(draft, row, base):
                return plain(row, recipient)
            draft.recipient, draft.read_from_gateway = recipient, True
            draft.__class__ = Invoice
        except (KeyError, TypeError, ValueError):
            return plain(row, recipient)
        invoice: Invoice = draft
        return invoice

    return quick


class _SharedTexts(Cache[str, str]):
    """The suppliers, places and forms of a section, of which equal ones are one string in memory."""

    __slots__ = ()

    def __missing__(self, text: str) -> str:
        return super().__missing__(text) if len(text) <= _LONGEST_SHARED else text


_LONGEST_SHARED: Final = 100  # characters


@functools.cache
def quick_reader(section: Section) -> Callable[..., Invoice]:
    """Return the reader of a section's rows: also the cattrs hook of `Annotated[Invoice, section]`."""
    return _quick_reader(section, plain_reader(section))


def _is_row(wanted: object) -> bool:
    arguments = get_args(wanted)
    return len(arguments) == 2 and arguments[0] is Invoice and isinstance(arguments[1], Section)


CONVERTER.register_structure_hook_factory(_is_row, lambda wanted: quick_reader(get_args(wanted)[1]))


def read_invoice(section: Section, row: object) -> Invoice:
    """Read one row of a section. `problems_of` describes the errors that it raises."""
    return quick_reader(section)(row)
