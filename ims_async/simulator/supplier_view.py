"""The supplier's view: the documents of a taxpayer, the buyers' actions on them, added-back liability."""

from __future__ import annotations

import hashlib
from functools import cached_property
from random import Random
from typing import TYPE_CHECKING, Any

from .rules import NO_LIABILITY, NO_SALES, GstnError
from .seeding import PERIODS, STATES, date_in, draw_amount, make_gstin, make_name, taxes

if TYPE_CHECKING:
    from .records import Taxpayer

FORMS = {"gstr-1": "gstr1", "gstr-1a": "gstr1a"}
"""The return types in requests and the keys in answers."""

SALES_SECTIONS = ("b2b", "b2ba", "cdnr", "cdnra", "ecom", "ecoma")
ADDED_BACK_SECTIONS = ("cdnr", "b2ba", "cdnra", "ecoma")

_SEEDED = {"gstr1": PERIODS[:2], "gstr1a": PERIODS[:1]}
_ACTIONS = ("A", "R", "P", "")  # there is no letter for No action: the field is left out


class Outward:
    """The supplies that one taxpayer reported, for a few return periods."""

    def __init__(self, seed: int, taxpayer: Taxpayer) -> None:
        self._gstin = taxpayer.gstin
        self._rng = Random(f"{seed}/{taxpayer.gstin}/outward")
        self._serial = 0

    @cached_property
    def _drawn(self) -> tuple[dict[tuple[str, str, str], Any], dict[tuple[str, str], list[dict[str, Any]]]]:
        """Draw sales and liability when first asked: most of the time that a simulator took to start."""
        sales = {
            (form, period, section): self._section(section, period)
            for form, periods in _SEEDED.items()
            for period in periods
            for section in SALES_SECTIONS
        }
        added_back = {
            (PERIODS[0], section): [self._liability(section, PERIODS[0]) for _ in range(2)]
            for section in ADDED_BACK_SECTIONS
        }
        return sales, added_back

    def sales(self, form: str, period: str, section: str) -> dict[str, Any]:
        """Return a section of `gstr1` or `gstr1a` for a period MMYYYY."""
        found = self._drawn[0].get((form, period, section))
        if not found:
            raise GstnError(*NO_SALES)
        return {"gstin": self._gstin, "rtnprd": period, form: {section: found}}

    def added_back(self, period: str, section: str) -> dict[str, Any]:
        """Return the liability that rejections added back in a period MMYYYY."""
        found = self._drawn[1].get((period, section))
        if not found:
            raise GstnError(*NO_LIABILITY)
        return {"gstin": self._gstin, "rtnprd": period, "rejInvAddBackLiab": {section: found}}

    def _section(self, section: str, period: str) -> Any:
        amended = section.endswith("a")
        if section.startswith("ecom"):
            names = ("b2ba", "urp2ba") if amended else ("b2b", "urp2b")
            return {name: [self._ecommerce(period, name, amended=amended)] for name in names}
        if section.startswith("cdn"):
            return [self._notes(period, amended=amended) for _ in range(2)]
        return [self._invoices(period, amended=amended) for _ in range(2)]

    def _next_number(self) -> str:
        self._serial += 1
        return f"S/{self._serial:05d}"

    def _ids(self, period: str, number: str, date: str, *, amended: bool) -> dict[str, str]:
        """Draw number and date, by the names of their fields; an amendment has its original's as well."""
        ids = {number: self._next_number(), date: date_in(self._rng, period)}
        if amended:
            ids |= {f"o{number}": ids[number], f"o{date}": date_in(self._rng, period, months_before=1)}
        return ids

    def _buyer(self) -> tuple[str, bool]:
        """Draw a buyer's GSTIN; also return whether the supply is between states."""
        buyer = make_gstin(self._rng, self._rng.choice(STATES))
        return buyer, buyer[:2] != self._gstin[:2]

    def _chksum(self) -> str:
        return hashlib.sha256(f"{self._gstin}/{self._serial}".encode()).hexdigest()

    def _items(self, *, inter: bool) -> tuple[list[dict[str, Any]], Any]:
        rate = self._rng.choice((5, 12, 18, 28))
        money = taxes(draw_amount(self._rng), rate, inter=inter)
        detail = {"rt": rate, "txval": money["taxable"], "csamt": 0}
        detail |= {"iamt": money["igst"]} if inter else {"camt": money["cgst"], "samt": money["sgst"]}
        return [{"num": 1, "itm_det": detail}], money["value"]

    def _acted(self, index: int) -> dict[str, str]:
        action = _ACTIONS[index % len(_ACTIONS)]
        return {"imsactn": action} if action else {}

    def _invoices(self, period: str, *, amended: bool) -> dict[str, Any]:
        buyer, inter = self._buyer()
        invoices = []
        for index in range(4):
            items, value = self._items(inter=inter)
            if amended:
                items[0]["itm_det"].pop("csamt")
            invoice = {**self._ids(period, "inum", "idt", amended=amended), "val": value}
            invoice |= {"pos": buyer[:2], "rchrg": "N", "inv_typ": "R", "cflag": "N", "updby": "S"}
            invoices.append({**invoice, "chksum": self._chksum(), "itms": items, **self._acted(index)})
        return {"ctin": buyer, "inv": invoices, **({} if amended else {"cfs": "Y"})}

    def _notes(self, period: str, *, amended: bool) -> dict[str, Any]:
        buyer, inter = self._buyer()
        notes = []
        for index in range(4):
            items, value = self._items(inter=inter)
            note = {**self._ids(period, "nt_num", "nt_dt", amended=amended), "val": value}
            note |= {"ntty": "C" if index % 2 else "D", "pos": buyer[:2], "rchrg": "N", "inv_typ": "R"}
            note |= {"cflag": "N", "flag": "N", "updby": "S", "chksum": self._chksum(), "itms": items}
            # The last one was deleted by the supplier.
            notes.append({**note, **(self._acted(index) if index < 3 else {"flag": "D", "d_flag": "Y"})})
        return {"ctin": buyer, "nt": notes}

    def _ecommerce(self, period: str, name: str, *, amended: bool) -> dict[str, Any]:
        buyer, inter = self._buyer()
        invoices: list[dict[str, Any]] = []
        for index in range(4):
            common = {**self._ids(period, "inum", "idt", amended=amended), "inv_typ": "R"}
            common |= {"sply_ty": "INTER" if inter else "INTRA", "chksum": self._chksum()}
            if index == 3:
                invoices.append({**common, "flag": "D"})
                continue
            items, value = self._items(inter=inter)
            live = {"flag": "N", "pos": buyer[:2], "val": value, "itms": items}
            invoices.append({**common, **live, **self._acted(index + 1)})
        through = {} if name.startswith("urp") else {"stin": make_gstin(self._rng, self._gstin[:2])}
        return {"rtin": buyer, **through, "inv": invoices}

    def _liability(self, section: str, period: str) -> dict[str, Any]:
        buyer, inter = self._buyer()
        money = taxes(draw_amount(self._rng), 18, inter=inter)
        entry: dict[str, Any] = {"val": money["value"], "txval": money["taxable"], "iamt": money["igst"]}
        entry |= {"camt": money["cgst"], "samt": money["sgst"], "csamt": money["cess"]}
        entry |= {"supPrd": period, "form": "R1", "remarks": "Goods were returned"}
        name = make_name(self._rng)
        if section == "ecoma":
            entry |= {"rtin": buyer, "rtinNam": name}
        else:
            entry |= {"ctin": buyer, "tradenm": name, "inv_typ": "R"}
        if section.startswith("cdn"):
            ids = self._ids(period, "nt_num", "nt_dt", amended=section == "cdnra")
            if section == "cdnr":
                date_in(self._rng, period, months_before=1)  # as for the others: a seed keeps its records
            return {**entry, **ids, "ntty": "C"}
        return entry | self._ids(period, "inum", "idt", amended=True)
