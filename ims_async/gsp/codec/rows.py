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

from ...model.records import Invoice, InvoiceDraft, ItcReduction
from ...model.vocabulary import Section
from .readers import CONVERTER, MISSING, reader
from .values import ACTIONS, DAYS, PERIODS, WHOLES, Cache, money

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


# Properties that live gateways send and no document has.
_NEWER: Final = frozenset({"tradenm", "remarks"})
_LETTERS: Final[dict[object, bool]] = {"Y": False, "N": True}


def _fill_newer(draft: Any, row: dict[str, Any], base: frozenset[str], shared: dict[str, str]) -> bool:
    """Fill in the properties that are not documented; False if the plain reader has to read the row."""
    name, remarks = row.get("tradenm"), row.get("remarks")
    if not ((name is None or type(name) is str) and (remarks is None or type(remarks) is str)):
        return False
    draft.supplier_name, draft.remarks = name and shared[name], remarks
    allowed, reduction_allowed = row.get("isRemarksBlocked"), row.get("isItcRedReqBlocked")
    draft.remarks_allowed = allowed = _LETTERS.get(allowed)
    draft.itc_reduction_allowed = reduction_allowed = _LETTERS.get(reduction_allowed)
    texts, flags = ("tradenm" in row) + ("remarks" in row), (allowed, reduction_allowed)
    if len(row) == len(base) + texts + 2 - flags.count(None):  # these are all
        draft.itc_reduction, draft.extra = None, {}
        return True
    given, used = _flags(row)
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
            draft: Any = object.__new__(InvoiceDraft)
            number, hash_ = row[number_key], row["hash"]
            # A GSP uses one name or the other.
            blocked = row["ispendactblocked" if "ispendactblocked" in row else "ispendactnallwd"]
            original = row[original_number_key] if amended else None
            if not (type(number) is type(hash_) is str) or (amended and type(original) is not str):
                return plain(row, recipient)
            if type(blocked) is not str and type(blocked) is not bool:
                return plain(row, recipient)  # 1 equals True, but is not a valid flag
            draft.section = section
            draft.supplier, draft.number, draft.hash = shared[row["stin"]], number, hash_
            draft.source_form, draft.place_of_supply = shared[row["srcform"]], shared[row["pos"]]
            draft.type = shared[row["inv_typ"]] if typed else None
            draft.date, draft.return_period = DAYS[row[day_key]], PERIODS[row["rtnprd"]]
            draft.original_number = original
            draft.original_date = DAYS[row[original_day_key]] if amended else None
            n = row["val"]
            draft.value = n if type(n) is Decimal else WHOLES[n] if type(n) is int else money(n)
            n = row["txval"]
            draft.taxable_value = n if type(n) is Decimal else WHOLES[n] if type(n) is int else money(n)
            n = row["iamt"]
            draft.igst = n if type(n) is Decimal else WHOLES[n] if type(n) is int else money(n)
            n = row["camt"]
            draft.cgst = n if type(n) is Decimal else WHOLES[n] if type(n) is int else money(n)
            n = row["samt"]
            draft.sgst = n if type(n) is Decimal else WHOLES[n] if type(n) is int else money(n)
            n = row["cess"]
            draft.cess = n if type(n) is Decimal else WHOLES[n] if type(n) is int else money(n)
            draft.action = ACTIONS[row["action"]]
            draft.pending_allowed = _ALLOWED[blocked]
            draft.supplier_filed = _FILED[row["srcfilstatus"]]
            if len(row) == len(base):
                draft.supplier_name = draft.remarks = draft.remarks_allowed = None
                draft.itc_reduction = draft.itc_reduction_allowed = None
                draft.extra = {}
            elif not strange.isdisjoint(row) or not _fill_newer(draft, row, base, shared):
                return plain(row, recipient)
            draft.recipient, draft.read_from_gateway = recipient, True
            draft.__class__ = Invoice
        except (KeyError, TypeError, ValueError):
            return plain(row, recipient)
        invoice: Invoice = draft
        return invoice

    return quick


class _SharedTexts(Cache[str, str]):
    """The suppliers, places and forms of a section, of which equal ones are one string in memory.

    Raises `TypeError` for what is no text.
    """

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
