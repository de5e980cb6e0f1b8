"""The vocabulary of the Invoice Management System: sections, actions, forms, GSTINs, return periods."""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from typing import Final

from ..errors import InvalidInput
from ..lazy import pattern


class Section(StrEnum):
    """A recipient-side section; the values are GSTN's keys in `invdata`."""

    B2B = "b2b"
    B2BA = "b2ba"
    B2BDN = "b2bdn"
    B2BDNA = "b2bdna"
    B2BCN = "b2bcn"
    B2BCNA = "b2bcna"
    ECOM = "ecom"
    ECOMA = "ecoma"

    @classmethod
    def parse(cls, text: str) -> Section:
        """Read any documented spelling: `B2B`, `CN`, `dn`, `b2bcn`, … Raises `InvalidInput` for another."""
        section = SECTION_ALIASES.get(str(text).strip().lower())
        if section is None:
            known = ", ".join(sorted(SECTION_ALIASES))
            raise InvalidInput(f"section {text!r} is not one that IMS has; use one of: {known}")
        return section

    @property
    def is_note(self) -> bool:
        """True for credit and debit notes and their amendments."""
        return self.startswith(("b2bdn", "b2bcn"))

    @property
    def is_amendment(self) -> bool:
        """True for a record that amends an earlier one, and has its number and date."""
        return self.endswith("a")

    @property
    def is_ecommerce(self) -> bool:
        """True for documents reported by an e-commerce operator; they have no invoice type."""
        return self.startswith("ecom")


# One section, several names: queries say CN, bodies say b2bcn, error reports say cn.
# GST API documentation, "IMS - Get Invoice", "IMS - Save IMS Action", "IMS - Get IMS Request Status".
SECTION_ALIASES: Final[dict[str, Section]] = {
    **{str(section): section for section in Section},
    "dn": Section.B2BDN,
    "dna": Section.B2BDNA,
    "cn": Section.B2BCN,
    "cna": Section.B2BCNA,
}


class SupplierSection(StrEnum):
    """A supplier-side section; `cdnr` holds credit and debit notes."""

    B2B = "b2b"
    B2BA = "b2ba"
    CDNR = "cdnr"
    CDNRA = "cdnra"
    ECOM = "ecom"
    ECOMA = "ecoma"


class Action(StrEnum):
    """The recipient's decision. In the state of a job the letter P means something else."""

    ACCEPT = "A"
    REJECT = "R"
    PENDING = "P"
    NO_ACTION = "N"

    @classmethod
    def parse(cls, text: str) -> Action:
        """Read `A`, `accept`, `Accepted`, `स्वीकार`, … in any case. Raises `InvalidInput` for another word."""
        word = unicodedata.normalize("NFKC", str(text)).translate(_INVISIBLE)
        action = _ACTION_WORDS.get("".join(word.replace("_", " ").split()).casefold())
        if action is None:
            raise InvalidInput(
                f"action {text!r} is unknown; use A (accept), R (reject), P (keep pending) or N (no action)"
            )
        return action


_INVISIBLE: Final = dict.fromkeys((0x200B, 0x200C, 0x200D, 0xFEFF))  # joiners, which keyboards put in
# Without blanks, and as Unicode's NFKC writes them.
_ACTION_WORDS: Final[dict[str, Action]] = {
    **dict.fromkeys(("a", "accept", "accepted", "स्वीकार", "स्वीकारकरें", "स्वीकृत", "स्वीकारकिया"), Action.ACCEPT),
    **dict.fromkeys(("r", "reject", "rejected", "अस्वीकार", "अस्वीकारकरें", "अस्वीकृत"), Action.REJECT),
    **dict.fromkeys(
        ("p", "pending", "keeppending", "keptpending", "लंबित", "लम्बित", "लंबितरखें"), Action.PENDING
    ),
    **dict.fromkeys(("n", "noaction", "noactiontaken", "कोईकार्रवाईनहीं"), Action.NO_ACTION),
}


class GoodsType(StrEnum):
    """The documents to count; the documented API takes actions on `OTHERS` only."""

    OTHERS = "others"
    INWARD_SUPPLIES = "inward_supplies"
    IMPORTS = "imports"

    @classmethod
    def parse(cls, text: str) -> GoodsType:
        """Read `others`, `inward_supplies` or `imports`. Raises `InvalidInput` for another word."""
        try:
            return cls(str(text).strip().lower().replace(" ", "_"))
        except ValueError:
            raise InvalidInput(f"type of goods {text!r} is unknown; use one of: {', '.join(cls)}") from None


class SourceForm(StrEnum):
    """The supplier's form that a record is from; the values are GSTN's `srcform`."""

    GSTR1 = "R1"
    GSTR1A = "R1A"
    IFF = "IFF"
    GSTR5 = "R5"


_GSTIN: Final = pattern(r"[0-9]{2}[A-Z]{5}[0-9]{4}[A-Z][1-9A-Z][Z1-9A-J][0-9A-Z]", re.ASCII)
# GST API documentation, "IMS - Get sales", `ctin`: UIN holders, non-residents and deductors of tax. The form
# with OS, of online service providers abroad, is not in it; GSTINs such as 9917IRL29003OSG have it.
_OTHER_GSTIN: Final = pattern(
    r"[0-9]{4}[A-Z]{3}[0-9]{5}(?:[UO]N|NR|OS)[0-9A-Z]|[0-9]{2}[A-Z]{4}[0-9A-Z][0-9]{4}[A-Z][1-9A-Z]D[0-9A-Z]",
    re.ASCII,
)
_CHECKSUM_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PERIOD: Final = pattern(r"(0[1-9]|1[0-2])((?:19|20)[0-9]{2})", re.ASCII)


def gstin_checksum(first14: str) -> str:
    """Return the 15th character of a GSTIN from the first 14 (a Luhn sum modulo 36)."""
    total = 0
    for position, character in enumerate(first14):
        product = _CHECKSUM_DIGITS.index(character) * (1 + position % 2)
        total += product // 36 + product % 36
    return _CHECKSUM_DIGITS[-total % 36]


def gstin_problem(text: object) -> str | None:
    """Return what is wrong with a GSTIN (its pattern, then its check digit), or None."""
    if not isinstance(text, str) or len(text) != 15:
        # One character too many is a typing error. Longer texts are not shown: they may be a token.
        shown = f"a {type(text).__name__}"
        if isinstance(text, str):
            shown = repr(text) if len(text) <= 16 else f"a text of {len(text)} characters"
        return f"{shown} is not a GSTIN: it has 15 characters, for example 29AAACQ3770E1ZF"
    if not (text.isascii() and _GSTIN.fullmatch(text.upper())):
        return f"{text!r} does not have the pattern of a GSTIN (state code, PAN, entity, Z, check digit)"
    expected = gstin_checksum(text.upper()[:14])
    if text[14].upper() != expected:
        return f"{text!r} fails the GSTIN checksum: after {text[:14]} the last character must be {expected}"
    return None


def is_other_gstin(text: str) -> bool:
    """True for the GSTIN of a non-resident, an online service provider abroad, a UIN holder or a deductor.

    A gateway reports such suppliers; the schema of a save does not allow them.
    """
    text = text.upper()
    return _OTHER_GSTIN.fullmatch(text) is not None and text[14] == gstin_checksum(text[:14])


def parse_gstin(text: str, *, what: str = "GSTIN") -> str:
    """Return a checked GSTIN in upper case. Raises `InvalidInput`."""
    text = text.strip() if isinstance(text, str) else text
    if problem := gstin_problem(text):
        raise InvalidInput(f"{what}: {problem}; check it for a typing error")
    return text.upper()


def period_problem(text: object) -> str | None:
    """Return what is wrong with a return period `MMYYYY`, or None."""
    if not isinstance(text, str) or not _PERIOD.fullmatch(text):
        return f"{text!r:.60} is not a return period: write MMYYYY, for example 102024 for October 2024"
    return None


def year_and_month(period: str) -> tuple[int, int]:
    """Return the year and the month of a return period `MMYYYY`. Raises `InvalidInput`."""
    if problem := period_problem(period):
        raise InvalidInput(problem)
    year, month = int(period[2:]), int(period[:2])
    return_period(year, month)  # GST began in July 2017
    return year, month


def financial_year(period: str) -> tuple[str, str]:
    """Return the financial year of a return period, as `2026-27`, and its quarter; `Q1` is April to June.

    Raises `InvalidInput`.
    """
    year, month = year_and_month(period)
    first = year - (month < 4)
    return f"{first}-{(first + 1) % 100:02d}", f"Q{(month - 4) % 12 // 3 + 1}"


def return_period(year: int, month: int) -> str:
    """Return `MMYYYY` for a year and a month (1 to 12). Raises `InvalidInput`."""
    if not (isinstance(year, int) and isinstance(month, int) and 1 <= month <= 12) or not (
        (2017, 7) <= (year, month) <= (2099, 12)
    ):
        raise InvalidInput(
            f"year {year!r}, month {month!r} is not a GST return period: "
            "the month is 1 to 12 and GST began in July 2017"
        )
    return f"{month:02d}{year}"
