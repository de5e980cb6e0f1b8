"""Read the small answers: counts, the supplier view, added-back liabilities."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import attrs

from ...errors import UnexpectedAnswer
from ...model.records import Counts, SectionCounts
from ...model.sales import AddedBackLiability, LineItem, SalesInvoice
from ...model.vocabulary import GoodsType, SourceForm, SupplierSection
from .readers import CONVERTER, problems_of, reader
from .rows import AMOUNT_NAMES, INVOICE_NAMES, NOTE_NAMES
from .values import MOST, as_object, member, money, parse_day


@attrs.define
class _Problems:
    """Collect problems while reading goes on; `check` raises them together."""

    found: list[str] = attrs.field(factory=list)

    def attempt(
        self, path: str, names: Mapping[str, str], read: Callable[..., Any], *args: Any, **given: Any
    ) -> Any:
        """Return what `read` returns, or None with its problems noted."""
        try:
            return read(*args, **given)
        except Exception as error:  # noqa: BLE001 # any trouble with one record costs no other record
            self.found.extend(problems_of(error, names, path))
            return None

    def arrays(self, value: object, path: str) -> Iterator[tuple[str, Any]]:
        """Yield the elements of an array with their paths."""
        if not isinstance(value, list):
            self.found.append(f"{path}: {value!r:.60} is not an array")
            return
        for place, element in enumerate(value):
            yield f"{path}[{place}]", element

    def check(self) -> None:
        """Raise `UnexpectedAnswer` if there were any."""
        if self.found:
            raise UnexpectedAnswer(problems=self.found)


_GROUPS: Final = {
    # Only the titles of the vendor's schemas say which group belongs to which type of goods.
    # GST API documentation, "IMS - Get Invoice Count".
    GoodsType.OTHERS: "all_oth",
    GoodsType.INWARD_SUPPLIES: "inv_supp_isd",
    GoodsType.IMPORTS: "imp_gds",
}
_COUNT_NAMES: Final = {
    "no_action": "noaction", "accepted": "accept", "rejected": "reject", "pending": "pending",
}  # fmt: skip
_read_section_counts = reader(SectionCounts, _COUNT_NAMES)


def read_counts(data: object, goods_type: GoodsType, path: str) -> Counts:
    """Read the counts of one kind of goods. A gateway may answer with several groups: all are kept."""
    problems = _Problems()
    sections: dict[str, SectionCounts] = {}
    totals: dict[str, int] = {}
    extra: dict[str, Any] = {}
    for group, counted in as_object(data, path).items():
        if group not in _GROUPS.values() or not isinstance(counted, dict):
            extra[group] = counted
            continue
        for key, value in counted.items():
            where = f"{path}.{group}.{key}"
            if key == "ttl_cnt":
                totals[group] = problems.attempt(where, {}, CONVERTER.structure, value, int)
            else:
                sections[key.lower()] = problems.attempt(where, _COUNT_NAMES, _read_section_counts, value)
    if not totals and not sections:
        problems.found.append(f"{path}.{_GROUPS[goods_type]}: missing")
    problems.check()
    counted_here = sum(section.total for section in sections.values())
    total = totals.get(_GROUPS[goods_type], sum(totals.values()) if totals else counted_here)
    return Counts(total=total, goods_type=goods_type, sections=sections, extra=extra)


# -- the supplier view -----------------------------------------------------------------------------------

_ITEM_NAMES: Final = {
    "rate": "rt", "taxable_value": "txval", "igst": "iamt", "cgst": "camt", "sgst": "samt", "cess": "csamt",
}  # fmt: skip
_SALES_NAMES: Final = {
    "value": "val", "place_of_supply": "pos", "action": "imsactn", "checksum": "chksum",
}  # fmt: skip


def _summand(value: object, _: object) -> Decimal:
    """Read an amount of a size that can be added up; `1E+999999999` plus 1 cannot."""
    amount = money(value)
    if not -MOST < amount < MOST:
        raise ValueError(f"{value!r:.60} is not an amount")
    return amount


_TEXT: Any = str | None
_FORM_KEYS: Final = {SourceForm.GSTR1: "gstr1", SourceForm.GSTR1A: "gstr1a"}
_SOLD_NAMES: Final = _SALES_NAMES | INVOICE_NAMES
_SOLD_NOTE_NAMES: Final = _SALES_NAMES | NOTE_NAMES | {"note_type": "ntty"}
_SOLD: Final = ("inv", _SOLD_NAMES, reader(SalesInvoice, _SOLD_NAMES))
_SOLD_NOTES: Final = ("nt", _SOLD_NOTE_NAMES, reader(SalesInvoice, _SOLD_NOTE_NAMES))
_read_item = reader(LineItem, _ITEM_NAMES, hooks=dict.fromkeys(_ITEM_NAMES, _summand))


def read_sales(data: object, form: SourceForm, path: str) -> list[SalesInvoice]:
    """Read the supplier view: each document with its recipient's action, deleted ones included.

    GST API documentation, "IMS - Get Supplier Invoices API".
    """
    key = _FORM_KEYS[form]
    sections = as_object(member(data, key, path), f"{path}.{key}")
    problems, sales = _Problems(), list[SalesInvoice]()
    for section in SupplierSection:
        content = sections.get(section, [])
        # E-commerce has two named lists, of registered buyers and of others.
        lists = content if isinstance(content, dict) else {None: content}
        for name, parties in lists.items():
            where = f"{path}.{key}.{section}" + ("" if name is None else f".{name}")
            for place, party in problems.arrays(parties, where):
                sales.extend(_read_party(section, name, party, place, problems))
    problems.check()
    return sales


def _read_party(
    section: SupplierSection, list_name: str | None, party: object, path: str, problems: _Problems
) -> Iterator[SalesInvoice]:
    """Read one recipient's documents; the fields beside the list belong to each document."""
    notes = section in (SupplierSection.CDNR, SupplierSection.CDNRA)
    key, names, read = _SOLD_NOTES if notes else _SOLD
    if not isinstance(party, dict):
        problems.found.append(f"{path}: {party!r:.60} is not an object")
        return
    beside = {name: value for name, value in party.items() if name not in (key, "ctin", "rtin", "stin")}
    recipient = party.get("ctin", party.get("rtin"))
    if not isinstance(recipient, str):
        problems.found.append(f"{path}.{'ctin' if list_name is None else 'rtin'}: missing")
        return
    for place, document in problems.arrays(party.get(key), f"{path}.{key}"):
        facts = dict(document) if isinstance(document, dict) else {}
        flag = facts.pop("flag", party.get("flag"))
        # Deleted items are documented for the e-commerce sections only; there they may lack all amounts.
        deleted = list_name is not None and flag == "D"
        if facts.get("imsactn", "") is None:
            del facts["imsactn"]
        items = [*_read_items(facts.pop("itms", []), f"{place}.itms", problems)]
        sale = problems.attempt(
            place,
            names,
            _read_sale,
            read,
            facts,
            party.get("stin"),
            flag,
            section=section,
            recipient=recipient,
            list_name=list_name,
            items=tuple(items),
            deleted=deleted,
            extra={name: value for name, value in beside.items() if name not in facts},
        )
        if sale is not None and sale.value is None and not deleted:
            problems.found.append(f"{place}.val: missing")
        elif sale is not None:
            yield sale


def _read_sale(
    read: Callable[..., SalesInvoice], facts: object, supplier: object, flag: object, **given: Any
) -> SalesInvoice:
    texts = {"supplier": CONVERTER.structure(supplier, _TEXT), "flag": CONVERTER.structure(flag, _TEXT)}
    return read(facts, **texts, **given)


def _read_items(items: object, path: str, problems: _Problems) -> Iterator[LineItem]:
    for place, item in problems.arrays(items, path):
        outer = item if isinstance(item, dict) else {}
        read = problems.attempt(f"{place}.itm_det", _ITEM_NAMES, _read_line, outer)
        if read is not None:
            yield read


def _read_line(outer: dict[str, Any]) -> LineItem:
    number = outer.get("num", 0)
    if isinstance(number, Decimal) and number.adjusted() < 10 and number == int(number):
        number = int(number)  # the schema says number, so `1.0` is 1
    return _read_item(outer.get("itm_det"), number=CONVERTER.structure(number, int))


# -- added-back liabilities ------------------------------------------------------------------------------

_ADDED_BACK_NAMES: Final = AMOUNT_NAMES | {
    "cess": "csamt",
    "supplier_period": "supPrd",
    "source_form": "form",
    "remarks": "remarks",
    "recipient": "ctin",
    "recipient_name": "tradenm",
}
_ECOMA_NAMES: Final = {
    "recipient": "rtin", "recipient_name": "rtinNam", "supplier": "stin", "supplier_name": "stinNam",
}  # fmt: skip
_ADDED_BACK: Final = {
    SupplierSection.CDNR: _ADDED_BACK_NAMES | NOTE_NAMES | {"note_type": "ntty"},
    SupplierSection.CDNRA: _ADDED_BACK_NAMES | NOTE_NAMES | {"note_type": "ntty"},
    SupplierSection.B2BA: _ADDED_BACK_NAMES | INVOICE_NAMES,
    SupplierSection.ECOMA: _ADDED_BACK_NAMES | INVOICE_NAMES | _ECOMA_NAMES,
}
_READ_ADDED_BACK: Final = {
    section: reader(AddedBackLiability, names) for section, names in _ADDED_BACK.items()
}


def read_added_back(data: object, path: str) -> list[AddedBackLiability]:
    """Read the documents whose rejection was added back to the supplier's liability.

    GST API documentation, "IMS - Get Added Back Liability Records".
    """
    sections = as_object(member(data, "rejInvAddBackLiab", path), f"{path}.rejInvAddBackLiab")
    problems, found = _Problems(), list[AddedBackLiability]()
    for section, names in _ADDED_BACK.items():
        rows = problems.arrays(sections.get(section, []), f"{path}.rejInvAddBackLiab.{section}")
        for place, row in rows:
            record = problems.attempt(place, names, _READ_ADDED_BACK[section], row, section=section)
            if record is not None:
                found.append(record)
    problems.check()
    return found


# -- filed returns ---------------------------------------------------------------------------------------


def read_filed(data: object, period: str, path: str) -> dict[str, dt.date]:
    """Read which returns of a period are filed: the day of each by its type, such as `GSTR3B`.

    GST API documentation, "View and Track Returns".
    """
    problems, filed = _Problems(), dict[str, dt.date]()
    for place, row in problems.arrays(member(data, "EFiledlist", path), f"{path}.EFiledlist"):
        facts = problems.attempt(place, {}, as_object, row, place)
        if facts is None:
            continue
        its_period = problems.attempt(f"{place}.ret_prd", {}, CONVERTER.structure, facts.get("ret_prd"), str)
        if its_period != period or facts.get("valid") in ("N", False):
            continue
        name, state = (str(facts.get(key)).strip().upper() for key in ("rtntype", "status"))
        if state != "FILED":
            continue
        day = problems.attempt(f"{place}.dof", {}, parse_day, facts.get("dof"))
        if day is not None:
            filed.setdefault(name.replace("-", ""), day)
    problems.check()
    return filed


_QUARTERLY: Final = {"Q": True, "M": False}


def read_quarterly(data: object, quarter: str, path: str) -> bool | None:
    """Read whether a taxpayer files each quarter (QRMP); None where the answer does not say.

    GST API documentation, "Get Preference": of N it does not say what it means.
    """
    problems = _Problems()
    rows = [row for _, row in problems.arrays(member(data, "response", path), f"{path}.response")]
    problems.check()
    words = (row.get("preference") for row in rows if isinstance(row, dict) and row.get("quarter") == quarter)
    word = next(words, None)
    return _QUARTERLY.get(word) if isinstance(word, str) else None
