"""GSTN's payload of a GSTR-2B, the same for every GSP: whole, as a summary, or one of its files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from ..http import write
from ..rules import UNKNOWN_PART, GstnError

if TYPE_CHECKING:
    from ..rules import Rules
    from .documents import Document, Group

Payload = dict[str, Any]

_LISTS = {
    "b2b": "inv",
    "b2ba": "inv",
    "cdnr": "nt",
    "cdnra": "nt",
    "ecom": "inv",
    "ecoma": "inv",
    "isd": "doclist",
    "isda": "doclist",
    "impgsez": "boe",
}
"""The sections by supplier, and the name of a supplier's documents; `impg` is a list of documents."""

_HEADS = ("igst", "cgst", "sgst", "cess")
_IMPORTED = {
    ("impg", "N"): "impg",
    ("impg", "Y"): "impga",
    ("impgsez", "N"): "impgsez",
    ("impgsez", "Y"): "impgasez",
}


@dataclass(frozen=True, eq=False)
class Statement:
    """A statement as it is sent; what all its files have in common is computed once."""

    frame: Mapping[str, str]
    """What each part has, and `gendt`, which its files have not."""
    documents: Sequence[Document]
    rules: Rules

    def answer(self, file: str | None) -> Payload:
        """Return what a fetch answers, checksum and data: of the whole, its summary, or one of its files."""
        chksum, data, files = self._whole
        if file is None:
            return {"chksum": chksum, "data": data}
        if not (file.isdecimal() and 1 <= int(file) <= len(files)):
            raise GstnError(*UNKNOWN_PART)
        data = {name: value for name, value in self.frame.items() if name != "gendt"}
        data |= _sections(files[int(file) - 1], self.rules)
        kinds: dict[Literal["same", "own", "none"], dict[str, str]] = {
            "same": {"chksum": chksum},
            "own": {"chksum": _checksum(data)},
            "none": {},
        }
        return {**kinds[self.rules.gstr2b_file_chksum], "data": data}

    @cached_property
    def _whole(self) -> tuple[str, Payload, list[list[Document]]]:
        """The checksum, the data of the first answer, and the documents of the files, if it is split."""
        old = self.rules.gstr2b_layout == "old"
        kept = [document for document in self.documents if not (old and document.rejected)]
        summary = {**self.frame, **_summary(kept)}
        whole = {**summary, **_sections(kept, self.rules)}
        if self.rules.gstr2b_rows is None or len(kept) <= self.rules.gstr2b_rows:
            return _checksum(whole), whole, []
        files = _files(kept, self.rules.gstr2b_file_rows)
        return _checksum(whole), {**summary, "fc": len(files)}, files


def is_summary(answer: Payload) -> bool:
    """Return whether it is the summary of a statement that is split into files."""
    return "fc" in answer["data"]


def _checksum(data: Payload) -> str:
    return hashlib.sha256(write(data)).hexdigest()


def _files(documents: Sequence[Document], size: int) -> list[list[Document]]:
    """Split documents into files, those that were rejected into files of their own."""
    kinds = ([one for one in documents if one.rejected is rejected] for rejected in (False, True))
    return [kind[first : first + size] for kind in kinds for first in range(0, len(kind), size)]


def _sections(documents: Iterable[Document], rules: Rules) -> Payload:
    """Write the documents by part and section: in the old layout sections are directly in the data."""
    old = rules.gstr2b_layout == "old"
    parts: dict[str, list[Document]] = {"docdata": [], "docRejdata": [], "itcrev": []}
    for document in documents:
        part = "docRejdata" if document.rejected else "itcrev" if document.reversal else "docdata"
        parts[part].append(document)
    found: Payload = {name: _by_section(part, old=old) for name, part in parts.items() if part}
    if rules.gstr2b_wrapped:
        found |= {name: [found[name]] for name in ("docRejdata", "itcrev") if name in found}
    if "itcrev" in found:
        found.setdefault("docdata", {})["itcrev"] = found.pop("itcrev")
    return found["docdata"] if old and found else found


def _by_section(documents: Iterable[Document], *, old: bool) -> Payload:
    groups: dict[str, dict[Group, list[Payload]]] = {}
    for one in documents:
        shown = _shown(one, itemised=one.reversal or (old and one.section in _LISTS))
        groups.setdefault(one.section, {}).setdefault(one.group, []).append(shown)
    return {section: _listed(section, by_group) for section, by_group in groups.items()}


def _listed(section: str, by_group: Mapping[Group, list[Payload]]) -> list[Payload]:
    if section not in _LISTS:
        return [row for rows in by_group.values() for row in rows]
    return [{**_supplier(group), _LISTS[section]: rows} for group, rows in by_group.items()]


def _supplier(group: Group) -> dict[str, str]:
    return {name: value for name, value in group._asdict().items() if value}


def _shown(one: Document, *, itemised: bool) -> Payload:
    if not itemised or one.section.startswith("i"):  # ISD and imports never had items
        return {**one.fields, **one.money}
    kept = {name: value for name, value in one.fields.items() if name != "imsStatus"}
    return {**kept, "items": [{"num": 1, "rt": one.rate, **one.money}]}


def _summary(documents: Iterable[Document]) -> Payload:
    """Sum up the credit by part, and the documents by supplier."""
    credit: Payload = {}
    suppliers: dict[str, Payload] = {"cpsumm": {}, "cpSummRej": {}}
    for one in documents:
        part, category, section = _place(one)
        sums = credit.setdefault(part, {}).setdefault(category, dict.fromkeys(_HEADS, Decimal(0)))
        _add(sums, one.counted, _HEADS)
        _add(sums.setdefault(section, {}), one.counted, ("txval", *_HEADS))
        if one.group.supprd and not one.reversal:
            _count(suppliers["cpSummRej" if one.rejected else "cpsumm"], one)
    by_supplier = {
        name: {section: list(rows.values()) for section, rows in sections.items()}
        for name, sections in suppliers.items()
        if sections
    }
    return {"itcsumm": credit, **by_supplier} if credit else by_supplier


def _place(one: Document) -> tuple[str, str, str]:
    """Return part, category and section of the summary; a credit note is among the other supplies."""
    barred = "N" in (one.fields.get("itcavl"), one.fields.get("itcelg"))
    part = "itcrev" if one.reversal else "itcunavl" if barred else "itcavl"
    part = "itcRejected" if one.rejected else part
    if one.section.startswith("impg"):
        return part, "imports", _IMPORTED[one.section, one.fields["isamd"]]
    reverse_charge = one.fields.get("rev") == "Y"
    if one.credit_note:
        return part, "othersup", one.section + ("rev" if reverse_charge else "")
    if one.section.startswith("isd"):
        return part, "isdsup", one.section
    return part, "revsup" if reverse_charge else "nonrevsup", one.section


def _count(sections: Payload, one: Document) -> None:
    note = {"nttyp": one.fields["typ"]} if one.section.startswith("cdnr") else {}
    rows = sections.setdefault(one.section, {})
    row = rows.setdefault((one.group, *note.values()), {**_supplier(one.group), **note, "ttldocs": 0})
    row["ttldocs"] += 1
    _add(row, one.money, ("txval", *_HEADS))


def _add(sums: Payload, money: Mapping[str, Decimal], names: Iterable[str]) -> None:
    for name in names:
        if name in money or name in _HEADS:
            sums[name] = sums.get(name, Decimal(0)) + money.get(name, Decimal(0))
