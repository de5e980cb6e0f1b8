"""The simulator's own table of the fields of a record, a save and a reset, and a strict check against it.

Written from the vendor's request schemas, independently of the SDK's table.
https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/invoices/save
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["save", "reset"]
"""The request that changes a record."""

Check = Callable[[Any], str]
"""A check of one value: returns the problem, or an empty string."""

_MAX_AMOUNT = Decimal("99999999999.99")
_MAX_VALUE = Decimal("9999999999999.99")


@dataclass(frozen=True, slots=True)
class Shape:
    """The names of a record's fields in one section."""

    number: str
    date: str
    original_number: str = ""
    """Empty in a section without amendments."""
    original_date: str = ""
    typed: bool = True
    """Whether the rows carry `inv_typ`."""
    reduces: bool = False
    """Whether the vendor's example shows `itcRedReq` and the declared amounts here."""
    short: str = ""
    """The short name of a section of notes, in queries and in error reports."""


SHAPES: Mapping[str, Shape] = {
    "b2b": Shape("inum", "idt"),
    "b2ba": Shape("inum", "idt", "oinum", "oidt", reduces=True),
    "b2bdn": Shape("nt_num", "nt_dt", short="dn"),
    "b2bdna": Shape("nt_num", "nt_dt", "ont_num", "ont_dt", reduces=True, short="dna"),
    "b2bcn": Shape("nt_num", "nt_dt", reduces=True, short="cn"),
    "b2bcna": Shape("nt_num", "nt_dt", "ont_num", "ont_dt", reduces=True, short="cna"),
    "ecom": Shape("inum", "idt", typed=False),
    "ecoma": Shape("inum", "idt", "oinum", "oidt", typed=False, reduces=True),
}
"""The eight sections of the recipient's view, by their names in bodies."""

AMOUNTS: Mapping[str, str] = {
    "val": "value",
    "txval": "taxable",
    "iamt": "igst",
    "camt": "cgst",
    "samt": "sgst",
    "cess": "cess",
}
"""The money fields of a row and the attributes of a record that they contain."""

DECLARED: Mapping[str, str] = {
    "declIgst": "declared_igst",
    "declCgst": "declared_cgst",
    "declSgst": "declared_sgst",
    "declCess": "declared_cess",
}
"""The declared ITC reduction of a save, likewise."""


def _matching(pattern: str, what: str) -> Check:
    matches = re.compile(pattern).fullmatch

    def check(value: Any) -> str:
        if not isinstance(value, str):
            return "is not a string"
        return "" if matches(value) else f"is not {what}"

    return check


def _one_of(*allowed: str) -> Check:
    def check(value: Any) -> str:
        return "" if isinstance(value, str) and value in allowed else f"is not one of {', '.join(allowed)}"

    return check


def _money(maximum: Decimal) -> Check:
    def check(value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            return "is not a number"
        if not 0 <= value <= maximum:
            return f"is not between 0 and {maximum}"
        if isinstance(value, Decimal) and value % Decimal("0.01"):
            return "has more than two decimals"
        return ""

    return check


@lru_cache(maxsize=4096)
def _is_date(text: str) -> bool:
    found = re.fullmatch(r"([0-9]{2})-([0-9]{2})-([0-9]{4})", text)
    if not found:
        return False
    day, month, year = map(int, found.groups())
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def _date(value: Any) -> str:
    return "" if isinstance(value, str) and _is_date(value) else "is not a date DD-MM-YYYY"


def _text(value: Any) -> str:
    return "" if isinstance(value, str) else "is not a string"


_GSTIN = _matching(r"[0-9]{2}[a-zA-Z]{5}[0-9]{4}[a-zA-Z][1-9A-Za-z][Zz1-9A-Ja-j][0-9a-zA-Z]", "a GSTIN")
_PERIOD = _matching(r"(0[1-9]|1[012])(19|20)[0-9]{2}", "a return period MMYYYY")
# At most 16 of these characters, and at least one of them a letter or a digit from 1 to 9.
_NUMBER = _matching(r"(?=.*[a-zA-Z1-9])[a-zA-Z0-9/-]{1,16}", "a document number")
_CHECKS: Mapping[str, Check] = {
    "supplier": _GSTIN,
    "period": _PERIOD,
    "form": _one_of("R1", "R1A", "IFF"),
    "place": _matching(r"3[0-8]|[12][0-9]|0[1-9]|96|97", "a place of supply"),
    **dict.fromkeys(AMOUNTS.values(), _money(_MAX_AMOUNT)),
    "value": _money(_MAX_VALUE),
    "number": _NUMBER,
    "date": _date,
    "original_number": _NUMBER,
    "original_date": _date,
    "type": _one_of("R", "DE", "SEWP", "SEWOP", "CBW"),
}


def is_period(value: object) -> bool:
    """Return whether this is text in the pattern of a return period MMYYYY."""
    return not _PERIOD(value)


def is_gstin(value: object) -> bool:
    """Return whether this is text in the pattern of a GSTIN; its check character is not computed."""
    return not _GSTIN(value)


@cache
def reported(section: str) -> Mapping[str, str]:
    """Return what suppliers report: the fields of the rows of a section, and the attributes of a record."""
    shape = SHAPES[section]
    names = {"stin": "supplier", "rtnprd": "period", "srcform": "form", "pos": "place", **AMOUNTS}
    names |= {shape.number: "number", shape.date: "date"}
    if shape.original_number:
        names |= {shape.original_number: "original_number", shape.original_date: "original_date"}
    if shape.typed:
        names["inv_typ"] = "type"
    return names


@cache
def _row_checks(section: str, kind: Kind) -> tuple[Mapping[str, Check], Mapping[str, Check]]:
    """Return the checks of the documented fields of a row, which are required, and of all that it may have.

    The optional ones are in no schema, and in the vendor's newest example of a save.
    """
    must = {name: _CHECKS[attribute] for name, attribute in reported(section).items()}
    must["prev_status"] = _one_of("A", "R", "P", "N")
    if kind == "reset":
        return must, must
    must["action"] = _one_of("A", "R", "P")
    may: dict[str, Check] = {"remarks": _text}
    if SHAPES[section].reduces:
        may |= {"itcRedReq": _one_of("Y", "N"), **dict.fromkeys(DECLARED, _money(_MAX_AMOUNT))}
    return must, {**must, **may}


def problems(body: Mapping[str, Any], *, kind: Kind) -> list[str]:
    """Return all problems of the body of a save or a reset, one sentence each, with the path of the field.

    Numbers must have been read as `int` and `Decimal`; a `float` is refused: its decimals cannot be counted.
    """
    checks = {"rtin": _GSTIN, "reqtyp": _one_of(kind.upper())}
    found = [f"{name}: is not known" for name in body if name not in checks and name != "invdata"]
    for name, check in checks.items():
        wrong = check(body[name]) if name in body else "is missing"
        if wrong:
            found.append(f"{name}: {wrong}")
    sections = body.get("invdata")
    if not isinstance(sections, dict):
        return [*found, "invdata: is missing or not an object"]
    if not sections.keys() & SHAPES.keys():
        found.append("invdata: has none of the sections")
    for section, rows in sections.items():
        if section not in SHAPES:
            found.append(f"invdata.{section}: is not known")
        elif not isinstance(rows, list):
            found.append(f"invdata.{section}: is not an array")
        else:
            found += _rows_problems(section, rows, kind)
    return found


def _rows_problems(section: str, rows: list[Any], kind: Kind) -> list[str]:
    must, known = _row_checks(section, kind)
    found: list[str] = []
    for index, row in enumerate(rows):
        path = f"invdata.{section}[{index}]"
        if not isinstance(row, dict):
            found.append(f"{path}: is not an object")
            continue
        found += [f"{path}.{name}: is missing" for name in must if name not in row]
        for name, value in row.items():
            check = known.get(name)
            wrong = check(value) if check else "is not known"
            if wrong:
                found.append(f"{path}.{name}: {wrong}")
    return found
