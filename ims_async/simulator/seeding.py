"""Make taxpayers, suppliers and plausible records; the same seed makes the same ones."""

from __future__ import annotations

import string
from calendar import monthrange
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING, TypedDict, cast

from .fields import SHAPES
from .records import Action, Key, Record, Taxpayer, hashed

if TYPE_CHECKING:
    from collections.abc import Sequence

Book = dict[str, dict[Key, Record]]
"""The records of one taxpayer by section, then by supplier, number and return period."""

PERIODS = ("102024", "112024", "122024", "012025")
"""The return periods that records belong to, MMYYYY."""

_FEW = 200
"""So many records of a taxpayer are kept for the next simulator of the same world."""

_DIGITS = string.digits + string.ascii_uppercase

STATES = ("06", "07", "08", "19", "24", "27", "29", "32", "33", "36")
"""The two-digit codes of the states in which the simulator's taxpayers and suppliers are registered."""

_FIRST = ("Acme", "Bharat", "Chandra", "Deccan", "Eastern", "Ganga", "Himalaya", "Indus", "Kaveri", "Malabar")
_SECOND = ("Traders", "Steel", "Textiles", "Foods", "Papers", "Chemicals", "Tools", "Logistics", "Motors")


class Money(TypedDict):
    """The amounts of a record, in rupees."""

    value: Decimal
    taxable: Decimal
    igst: Decimal
    cgst: Decimal
    sgst: Decimal
    cess: Decimal


_WEIGHTS = {"b2b": 50, "b2ba": 6, "b2bdn": 8, "b2bdna": 5, "b2bcn": 14, "b2bcna": 5, "ecom": 7, "ecoma": 5}
_RATES = (5, 12, 18, 28)
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Supplier:
    """A registered person who reports supplies to a taxpayer."""

    gstin: str
    name: str
    style: int
    """The index of the numbering style of this supplier's documents."""

    @property
    def state(self) -> str:
        """The two-digit code of the state of registration."""
        return self.gstin[:2]


def check_character(first14: str) -> str:
    """Compute the last character of a GSTIN from the fourteen before it (weights 1 and 2, base 36)."""
    total = 0
    for place, character in enumerate(first14.upper()):
        product = _DIGITS.index(character) * (place % 2 + 1)
        total += product // 36 + product % 36
    return _DIGITS[-total % 36]


def make_gstin(rng: Random, state: str) -> str:
    """Make a valid GSTIN of a company, firm or proprietor in `state`."""
    letters = rng.choices(string.ascii_uppercase, k=3)
    pan = "".join([*letters, rng.choice("CFHP"), rng.choice(string.ascii_uppercase)])
    first14 = f"{state}{pan}{rng.randrange(1, 10000):04d}{rng.choice(string.ascii_uppercase)}1Z"
    return first14 + check_character(first14)


def make_name(rng: Random) -> str:
    """Make a trade name."""
    return f"{rng.choice(_FIRST)} {rng.choice(_SECOND)}"


def make_taxpayers(rng: Random, count: int) -> list[Taxpayer]:
    """Make `count` taxpayers, each with its own user name at the portal."""
    found: dict[str, Taxpayer] = {}
    while len(found) < count:
        gstin = make_gstin(rng, rng.choice(STATES))
        name = make_name(rng)
        username = f"{name.lower().replace(' ', '.')}.{len(found) + 1}"
        found.setdefault(gstin, Taxpayer(gstin, username, name))
    return list(found.values())


def make_suppliers(rng: Random, count: int, home: str) -> list[Supplier]:
    """Make `count` suppliers, every other one in the state `home`, each with a numbering style of its own."""
    return [
        Supplier(make_gstin(rng, home if style % 2 else rng.choice(STATES)), make_name(rng), style)
        for style in range(count)
    ]


def make_book(seed: str, taxpayer: Taxpayer, count: int, sections: Sequence[str] | None = None) -> Book:
    """Make `count` records for a taxpayer, spread over the sections named (all eight if none is)."""
    draw = _draw_once if count <= _FEW else _draw
    book = draw(seed, taxpayer, count, tuple(sections or SHAPES))
    return {section: dict(records) for section, records in book.items()}


def _draw(seed: str, taxpayer: Taxpayer, count: int, sections: tuple[str, ...]) -> Book:
    rng = Random(f"{seed}/{taxpayer.gstin}")
    book: Book = {section: {} for section in SHAPES}
    suppliers = make_suppliers(rng, max(3, min(25, count // 8)), taxpayer.state)
    serial = 0
    for section, share in _shares(count, sections).items():
        previous: Record | None = None
        for index in range(share):
            serial += 1
            # Suppliers start their numbers again each year, and some each month: the same number from the
            # same supplier in two return periods must be two records.
            if previous is not None and index % 20 == 1:
                record = _again(rng, previous)
            else:
                record = _make_record(rng, taxpayer, rng.choice(suppliers), section, serial)
            book[section][record.key] = record
            previous = record
    return book


_draw_once = lru_cache(maxsize=128)(_draw)
"""Draw the records of a world that tests make over and over; a record never changes."""


def _shares(count: int, sections: Sequence[str]) -> dict[str, int]:
    total = sum(_WEIGHTS[section] for section in sections)
    least = 1 if count >= len(sections) else 0
    shares = {section: max(least, count * _WEIGHTS[section] // total) for section in sections}
    shares[sections[0]] += count - sum(shares.values())
    return shares


def _number(style: int, serial: int) -> str:
    return (
        f"{serial:06d}",
        f"INV/24-25/{serial:05d}",
        f"AMD{style}-{serial}",
        f"00{serial:05d}/24",
        f"C{style}E2425{serial:07d}",
        f"{style}/24-25/{serial}",
    )[style % 6]


def date_in(rng: Random, period: str, *, months_before: int = 0) -> str:
    """Draw a date DD-MM-YYYY in a return period MMYYYY, or some months before it."""
    months = int(period[2:]) * 12 + int(period[:2]) - 1 - months_before
    year, month = divmod(months, 12)
    return f"{rng.randrange(1, monthrange(year, month + 1)[1] + 1):02d}-{month + 1:02d}-{year:04d}"


def draw_amount(rng: Random) -> Decimal:
    """Draw a taxable value in rupees: sometimes a round one, mostly with paise."""
    if rng.random() < 0.3:
        return Decimal(rng.randrange(1, 900) * 100)
    return Decimal(rng.randrange(10_000, 25_000_000)).scaleb(-2)


def _percent(amount: Decimal, rate: Decimal | int) -> Decimal:
    return (amount * rate / 100).quantize(_CENT, ROUND_HALF_UP)


def taxes(taxable: Decimal, rate: int, *, inter: bool, cess_rate: int = 0) -> Money:
    """Compute value and taxes in rupees: IGST between states, else CGST and SGST in equal parts."""
    half = Decimal(0) if inter else _percent(taxable, Decimal(rate) / 2)
    igst = _percent(taxable, rate) if inter else Decimal(0)
    cess = _percent(taxable, cess_rate)
    value = taxable + igst + half + half + cess
    return {"value": value, "taxable": taxable, "igst": igst, "cgst": half, "sgst": half, "cess": cess}


def _make_record(rng: Random, taxpayer: Taxpayer, supplier: Supplier, section: str, serial: int) -> Record:
    shape = SHAPES[section]
    period = rng.choice(PERIODS)
    rate = rng.choice(_RATES)
    number = _number(supplier.style, serial)
    original = number if serial % 2 else _number(supplier.style, serial + 100_000)
    blocked = rng.random() < 0.05
    money = taxes(
        draw_amount(rng),
        rate,
        inter=supplier.state != taxpayer.state,
        cess_rate=1 if rate == 28 and rng.random() < 0.2 else 0,
    )
    return hashed(
        Record(
            section=section,
            supplier=supplier.gstin,
            number=number,
            date=date_in(rng, period),
            period=period,
            form=rng.choices(("R1", "IFF", "R1A"), (90, 6, 4))[0],
            type=rng.choices(("R", "DE"), (95, 5))[0] if shape.typed else "",
            place=taxpayer.state,
            rate=rate,
            **money,
            original_number=original if shape.original_number else "",
            original_date=date_in(rng, period, months_before=1) if shape.original_number else "",
            filed=rng.random() < 0.7,
            blocked=blocked,
            action=_first_action(rng, blocked=blocked),
        )
    )


def _first_action(rng: Random, *, blocked: bool) -> Action:
    drawn = rng.choices("NARP", (85, 7, 4, 4))[0]
    return "N" if blocked and drawn == "P" else cast("Action", drawn)


def _again(rng: Random, record: Record) -> Record:
    period = PERIODS[(PERIODS.index(record.period) + 1) % len(PERIODS)]
    changed = replace(record, period=period, date=date_in(rng, period), action="N")
    if record.original_date:
        changed = replace(changed, original_date=date_in(rng, period, months_before=1))
    return revalued(changed, draw_amount(rng))


def revalued(record: Record, taxable: Decimal) -> Record:
    """Return the record with another taxable value in rupees, taxes at the same rate, and a new hash."""
    money = taxes(
        taxable, record.rate, inter=record.supplier[:2] != record.place, cess_rate=1 if record.cess else 0
    )
    return hashed(replace(record, **money))
