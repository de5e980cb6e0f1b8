"""What two documents must have in common to be compared at a stage: the keys of one."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator

from .documents import Side
from .numbers import alike, digits_of, joined


def _runs(side: Side, place: int) -> Iterator[str]:
    if side.runs[place]:
        yield side.runs[place]
    if (original := side.originals.get(place)) and original.runs:
        yield original.runs


def numbers(side: Side, place: int) -> Iterable[Hashable]:
    """Return the number, without years, of a supplier."""
    supplier, lowers = side.suppliers[place], side.lowers[place]
    return [(supplier, lowers, runs) for runs in _runs(side, place)]


def _spellings(side: Side, place: int) -> set[str]:
    """Return a number as runs, and run together."""
    original = side.originals.get(place)
    together = {joined(side.numbers[place]), joined(original.number) if original else ""}
    return {*_runs(side, place), *together} - {""}


def all_numbers(side: Side, place: int) -> Iterable[Hashable]:
    """Return the number in each spelling, of a supplier."""
    supplier, lowers = side.suppliers[place], side.lowers[place]
    return [(supplier, lowers, number) for number in _spellings(side, place)]


def numbers_of_the_pan(side: Side, place: int) -> Iterable[Hashable]:
    """Return the number in each spelling, whatever registration it is of."""
    return [(side.lowers[place], number) for number in _spellings(side, place)]


def digits(side: Side, place: int) -> Iterable[Hashable]:
    """Return the last and the longest digits of the number, of a supplier."""
    supplier, lowers = side.suppliers[place], side.lowers[place]
    return [(supplier, lowers, digits) for runs in _runs(side, place) for digits in digits_of(runs)]


def alike_numbers(side: Side, place: int) -> Iterable[Hashable]:
    """Return the number with letters as the digits that they are taken for, of a supplier."""
    number = alike(side.numbers[place])
    return [(side.suppliers[place], side.lowers[place], number)] if number else []


def supplier(side: Side, place: int) -> Hashable:
    """Return the supplier."""
    return side.suppliers[place], side.lowers[place]


def supplier_and_day(side: Side, place: int) -> Hashable:
    """Return the supplier and the day."""
    return side.suppliers[place], side.lowers[place], side.days[place]
