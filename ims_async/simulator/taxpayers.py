"""Taxpayers and suppliers, with GSTINs whose check character is correct."""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

_DIGITS = string.digits + string.ascii_uppercase

STATES = ("06", "07", "08", "19", "24", "27", "29", "32", "33", "36")
"""The two-digit codes of the states in which the simulator's taxpayers and suppliers are registered."""

_FIRST = ("Acme", "Bharat", "Chandra", "Deccan", "Eastern", "Ganga", "Himalaya", "Indus", "Kaveri", "Malabar")
_SECOND = ("Traders", "Steel", "Textiles", "Foods", "Papers", "Chemicals", "Tools", "Logistics", "Motors")


@dataclass(frozen=True, slots=True)
class Taxpayer:
    """A recipient of supplies, who acts on them in IMS."""

    gstin: str
    username: str
    """The user name at the GST portal, which the OTP request contains."""
    name: str

    @property
    def state(self) -> str:
        """The two-digit code of the state of registration."""
        return self.gstin[:2]


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
