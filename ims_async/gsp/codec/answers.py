"""Read the small answers: counts, the supplier view, added-back liabilities."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import attrs

from ...errors import UnexpectedAnswer
from ...model.records import AddedBackLiability, Counts, LineItem, SalesInvoice, SectionCounts
from ...model.vocabulary import GoodsType, SourceForm, SupplierSection
from .values import CONVERTER, MOST, member, money, problems_of, reader

_GROUPS: Final = {
    # Only the titles of the vendor's schemas say which group belongs to which type of goods.
    # GST API documentation, "IMS - Get Invoice Count".
    GoodsType.OTHERS: "all_oth",
    GoodsType.INWARD_SUPPLIES: "inv_supp_isd",
    GoodsType.IMPORTS: "imp_gds",
}
_COUNT_NAMES: Final = {
    "no_action": "noaction",
    "accepted": "accept",
    "rejected": "reject",
    "pending": "pending",
}
_read_section_counts = reader(SectionCounts, _COUNT_NAMES)


def read_counts(data: object, goods_type: GoodsType, path: str) -> Counts:
    """Read the counts of one kind of goods. A gateway may answer with several groups: all are kept."""
    if not isinstance(data, dict):
        raise UnexpectedAnswer(problems=[f"{path}: {data!r:.60} is not an object"])
    sections: dict[str, SectionCounts] = {}
    problems: list[str] = []
    totals: dict[str, int] = {}
    extra: dict[str, Any] = {}
    for group, counted in data.items():
        if group not in _GROUPS.values() or not isinstance(counted, dict):
            extra[group] = counted
            continue
        for key, value in counted.items():
            where = f"{path}.{group}.{key}"
            try:
                if key == "ttl_cnt":
                    totals[group] = CONVERTER.structure(value, int)
                else:
                    sections[key.lower()] = _read_section_counts(value)
            except Exception as error:  # noqa: BLE001 # reported by its path, with all others
                problems.extend(problems_of(error, _COUNT_NAMES, where))
    if not totals and not sections and not problems:
        problems.append(f"{path}.{_GROUPS[goods_type]}: missing")
    if problems:
        raise UnexpectedAnswer(problems=problems)
    counted_here = sum(section.total for section in sections.values())
    total = totals.get(_GROUPS[goods_type], sum(totals.values()) if totals else counted_here)
    return Counts(total=total, goods_type=goods_type, sections=sections, extra=extra)


_ITEM_NAMES: Final = {
    "rate": "rt",
    "taxable_value": "txval",
    "igst": "iamt",
    "cgst": "camt",
    "sgst": "samt",
    "cess": "csamt",
}
_SALES_NAMES: Final = {
    "number": "inum",
    "date": "idt",
    "original_number": "oinum",
    "original_date": "oidt",
    "value": "val",
    "type": "inv_typ",
    "place_of_supply": "pos",
    "action": "imsactn",
    "checksum": "chksum",
}
_SALES_NOTE_NAMES: Final = _SALES_NAMES | {
    "number": "nt_num",
    "date": "nt_dt",
    "original_number": "ont_num",
    "original_date": "ont_dt",
    "note_type": "ntty",
}


def _summand(value: object) -> Decimal:
    """Read an amount of a size that can be added up; `1E+999999999` plus 1 cannot."""
    amount = money(value)
    if not -MOST < amount < MOST:
        raise ValueError(f"{value!r:.60} is not an amount")
    return amount


_read_item = reader(LineItem, _ITEM_NAMES, hooks=dict.fromkeys(_ITEM_NAMES, _summand))
_read_sale = reader(SalesInvoice, _SALES_NAMES)
_read_sold_note = reader(SalesInvoice, _SALES_NOTE_NAMES)

_TEXT: Any = str | None
FORM_KEYS: Final = {SourceForm.GSTR1: "gstr1", SourceForm.GSTR1A: "gstr1a"}


@attrs.define
class _Problems:
    """Collect problems while reading goes on; `check` raises them together."""

    found: list[str] = attrs.field(factory=list)

    def attempt(self, read: Callable[[], Any], names: Mapping[str, str], path: str) -> Any:
        """Return what `read` returns, or None with its problems noted."""
        try:
            return read()
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


def read_sales(data: object, form: SourceForm, path: str) -> list[SalesInvoice]:
    """Read the supplier view: each document with its recipient's action, deleted ones included.

    GST API documentation, "IMS - Get Supplier Invoices API".
    """
    key = FORM_KEYS[form]
    sections = member(data, key, path)
    if not isinstance(sections, dict):
        raise UnexpectedAnswer(problems=[f"{path}.{key}: {sections!r:.60} is not an object"])
    problems = _Problems()
    sales: list[SalesInvoice] = []
    for section in SupplierSection:
        if section not in sections:
            continue
        where = f"{path}.{key}.{section}"
        for list_name, parties, place in _party_lists(sections[section], where):
            for party_path, party in problems.arrays(parties, place):
                sales.extend(_read_party(section, list_name, party, party_path, problems))
    problems.check()
    return sales


def _party_lists(content: Any, path: str) -> Iterable[tuple[str | None, Any, str]]:
    """Yield the lists of a section: two named ones in e-commerce (registered buyers and others), else one."""
    if isinstance(content, dict):
        return [(name, parties, f"{path}.{name}") for name, parties in content.items()]
    return [(None, content, path)]


def _read_party(
    section: SupplierSection, list_name: str | None, party: object, path: str, problems: _Problems
) -> Iterator[SalesInvoice]:
    """Read one recipient's documents; the fields beside the list belong to each document."""
    notes = section in (SupplierSection.CDNR, SupplierSection.CDNRA)
    key, read, names = (
        ("nt", _read_sold_note, _SALES_NOTE_NAMES) if notes else ("inv", _read_sale, _SALES_NAMES)
    )
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
        items = tuple(_read_items(facts.pop("itms", []), f"{place}.itms", problems))
        sale = problems.attempt(
            lambda: read(
                facts,  # noqa: B023 # called at once
                section=section,
                recipient=recipient,
                supplier=CONVERTER.structure(party.get("stin"), _TEXT),
                list_name=list_name,
                items=items,  # noqa: B023
                deleted=deleted,  # noqa: B023
                flag=CONVERTER.structure(flag, _TEXT),  # noqa: B023
                extra={name: value for name, value in beside.items() if name not in facts},  # noqa: B023
            ),
            names,
            place,
        )
        if sale is not None and sale.value is None and not deleted:
            problems.found.append(f"{place}.val: missing")
        elif sale is not None:
            yield sale


def _read_items(items: object, path: str, problems: _Problems) -> Iterator[LineItem]:
    for place, item in problems.arrays(items, path):
        outer = item if isinstance(item, dict) else {}
        number, details = outer.get("num", 0), outer.get("itm_det")
        read = problems.attempt(
            lambda: _read_item(details, number=_line_number(number)),  # noqa: B023 # called at once
            _ITEM_NAMES,
            f"{place}.itm_det",
        )
        if read is not None:
            yield read


def _line_number(number: object) -> int:
    """Read the number of a line; the schema says number, so `1.0` is 1. Raises `TypeError`."""
    if isinstance(number, Decimal) and number.adjusted() < 10 and number == int(number):
        return int(number)
    return CONVERTER.structure(number, int)


_ADDED_BACK_NAMES: Final = {
    "value": "val",
    "taxable_value": "txval",
    "igst": "iamt",
    "cgst": "camt",
    "sgst": "samt",
    "cess": "csamt",
    "supplier_period": "supPrd",
    "source_form": "form",
    "remarks": "remarks",
    "recipient": "ctin",
    "recipient_name": "tradenm",
    "type": "inv_typ",
    "number": "inum",
    "date": "idt",
    "original_number": "oinum",
    "original_date": "oidt",
}
_ADDED_BACK_NOTE_NAMES: Final = _ADDED_BACK_NAMES | {
    "number": "nt_num",
    "date": "nt_dt",
    "original_number": "ont_num",
    "original_date": "ont_dt",
    "note_type": "ntty",
}
_ADDED_BACK_ECOMA_NAMES: Final = _ADDED_BACK_NAMES | {
    "recipient": "rtin",
    "recipient_name": "rtinNam",
    "supplier": "stin",
    "supplier_name": "stinNam",
}
_ADDED_BACK: Final = {
    SupplierSection.CDNR: _ADDED_BACK_NOTE_NAMES,
    SupplierSection.CDNRA: _ADDED_BACK_NOTE_NAMES,
    SupplierSection.B2BA: _ADDED_BACK_NAMES,
    SupplierSection.ECOMA: _ADDED_BACK_ECOMA_NAMES,
}
_READ_ADDED_BACK: Final = {
    section: reader(AddedBackLiability, names) for section, names in _ADDED_BACK.items()
}


def read_added_back(data: object, path: str) -> list[AddedBackLiability]:
    """Read the documents whose rejection was added back to the supplier's liability.

    GST API documentation, "IMS - Get Added Back Liability Records".
    """
    sections = member(data, "rejInvAddBackLiab", path)
    if not isinstance(sections, dict):
        raise UnexpectedAnswer(problems=[f"{path}.rejInvAddBackLiab: {sections!r:.60} is not an object"])
    problems = _Problems()
    found: list[AddedBackLiability] = []
    for section, read in _READ_ADDED_BACK.items():
        if section not in sections:
            continue
        for place, row in problems.arrays(sections[section], f"{path}.rejInvAddBackLiab.{section}"):
            record = problems.attempt(
                lambda: read(row, section=section),  # noqa: B023 # called at once
                _ADDED_BACK[section],
                place,
            )
            if record is not None:
                found.append(record)
    problems.check()
    return found
