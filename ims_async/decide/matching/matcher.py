"""Match records with the purchase register, at once or in steps that leave an event loop free in between."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from ...errors import InvalidInput
from ...model.records import Invoice
from ...steps import Steps, run, run_async
from ..entry import Entry
from ..policy import Policy
from .documents import STEP, Side, of_books, of_gateway, pan_of, supplier_of
from .group import Group
from .pairing import Findings
from .result import Matching
from .shelves import sort

Listed = TypeVar("Listed")


def match(invoices: Iterable[Invoice], register: Iterable[Entry], policy: Policy | None = None) -> Matching:
    """Match records with the register, one to one; of the policy only the tolerances count.

    `matching_steps` says what is compared. 100,000 records with 100,000 entries take some seconds;
    `match_async` is the same for programs with an event loop. Raises `InvalidInput` for a path, rows or a
    sample where records, entries or a policy belong.
    """
    return run(matching_steps(invoices, register, policy))


async def match_async(
    invoices: Iterable[Invoice], register: Iterable[Entry], policy: Policy | None = None
) -> Matching:
    """Match records with the register as `match` does, and let other tasks run every few milliseconds."""
    return await run_async(matching_steps(invoices, register, policy))


def matching_steps(
    invoices: Iterable[Invoice], register: Iterable[Entry], policy: Policy | None = None
) -> Steps[Matching]:
    """Match records with the register in short steps; the generator returns the matching.

    Documents are compared within one PAN only, credit notes with credit notes (or negative entries), all else
    with all else: a supplier's debit note is often booked as a bill.
    """
    if policy is not None and not isinstance(policy, Policy):
        raise InvalidInput(f"policy: {policy!r:.60} is no Policy; Policy.load(path) reads one")
    records = listed(
        invoices, Invoice, "invoices", "pass the records that were read, such as sample.invoices"
    )
    yield  # a copy of 100,000 takes some milliseconds
    books = listed(register, Entry, "register", "pass read_register(path), entries_of(rows), sample.register")
    tolerances = (policy or Policy()).tolerances
    found, unused = Findings.nothing(len(records)), list[int]()
    mine = yield from _by_pan(records)
    theirs = yield from _by_pan(books)
    for pan, places in mine.items():
        own, other = Side(), Side()
        yield from of_gateway(records, places, own)
        yield from of_books(books, theirs.pop(pan, ()), other)
        group = Group(own, other, tolerances, found)
        yield from group.stages()
        unused += group.unused
        yield from group.clear()
    for entries in theirs.values():
        unused += entries
    yield from sort(unused, int)
    return Matching(records, books, found, [books[place] for place in unused])


def listed(given: Iterable[Listed], kind: type[Listed], name: str, advice: str) -> list[Listed]:
    """Return what was given as a list. Raises `InvalidInput` for a path, say, or rows of a file."""
    wrong: object = given
    if isinstance(given, Iterable) and not isinstance(given, str | bytes | Mapping):
        found = list(given)
        if all(issubclass(one, kind) for one in set(map(type, found))):
            return found
        wrong = next(one for one in found if not isinstance(one, kind))
    raise InvalidInput(f"{name}: {wrong!r:.60} is no {kind.__name__}, nor a list of them", advice=advice)


def _by_pan(documents: Sequence[Invoice | Entry]) -> Steps[dict[str, array[int]]]:
    """Return the places of the documents of each PAN.

    In arrays: a pass of Python's own collector visits each item of a list.
    """
    places: dict[str, array[int]] = {}
    suppliers: dict[str, array[int]] = {}
    for place, one in enumerate(documents):
        if not place % (STEP * 4):
            yield
        those = suppliers.get(one.supplier)
        if those is None:
            those = suppliers[one.supplier] = places.setdefault(pan_of(supplier_of(one)), array("q"))
        those.append(place)
    return places
