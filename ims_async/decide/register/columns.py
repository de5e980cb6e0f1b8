"""Find the columns of a purchase register: by the headings that are known, or that somebody has named."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final

from ...errors import InvalidInput
from ..entry import HEADS
from ..policy import read_toml
from .headings import FIELDS, FOLDED, KNOWN, REQUIRED, TAX_SIGNS, TAXES, folded, one_or_all, suggested_for

_PULLED: Final = frozenset(map(folded, ("hash", "action when pulled")))
"""Headings of the records of the gateway, which would match themselves."""

Row = Sequence[Any]
Columns = Mapping[str, str | Sequence[str]] | str | os.PathLike[str]
Given = Mapping[str, Sequence[str]]
"""The headings that a caller has named, by field: several of an amount, which are added up."""
Places = dict[str, tuple[int, ...]]
"""The places of the columns of each field."""


class MissingColumns(InvalidInput):
    """A register has no column for a field.

    `suggested` has, by field, the headings that may be meant; `absent` those that somebody has named, and
    that are not there.
    """

    def __init__(
        self,
        message: str = "",
        *,
        missing: Sequence[str] = (),
        suggested: Given | None = None,
        absent: Given | None = None,
    ) -> None:
        self.suggested, self.absent = dict(suggested or {}), dict(absent or {})
        named: dict[str, str | Sequence[str]] = dict.fromkeys(missing[:1], "Heading")
        if self.suggested:
            named = {field: one_or_all(names) for field, names in self.suggested.items()}
        example = json.dumps(named, ensure_ascii=False)
        super().__init__(message, advice=f"Name it, for example columns={example}")


def given_of(columns: Columns | None) -> Given:
    """Read a map of columns. Raises `InvalidInput` for a field that no entry has."""
    what, given = "columns", columns or {}
    if isinstance(given, str | os.PathLike):
        what, table = os.fspath(given), read_toml(given)
        given = table.get("columns", table)
    if not isinstance(given, Mapping):
        raise InvalidInput(f'{what}: write the heading of each field, such as number = "Bill No"')
    if unknown := sorted(set(given) - set(FIELDS)):
        raise InvalidInput(f"{what}: {unknown[0]!r} is unknown; the fields are: {', '.join(FIELDS)}")
    return {field: _names(heading, f"{what}, {field}", field) for field, heading in given.items()}


def _names(given: object, what: str, field: str) -> tuple[str, ...]:
    names: Sequence[object] = [given]
    if isinstance(given, list | tuple) and (field in HEADS or len(given) == 1):
        names = given
    if not names or not all(isinstance(name, str) for name in names):
        several = ", or a list of them" if field in HEADS else ""
        raise InvalidInput(f"{what}: {given!r:.40} is no heading{several}")
    return tuple(map(str, names))


def header_of(name: str, top: Sequence[Row], given: Given) -> tuple[int, Sequence[object], Places]:
    """Return how many rows end with the header, its headings, and the columns of the fields.

    The headings are the row with the most that are known, or that row with the one above or below it. Refuses
    a register without a column that is needed, and names its headings.
    """
    place = max(range(len(top)), key=lambda place: (known_in(top[place], given), -place))
    if _PULLED.issubset(map(folded, top[place])):
        raise InvalidInput(f"{name or 'a sheet'} was written by pull: name the purchase register")
    found: list[tuple[int, Sequence[object]]] = [
        (place + 1, top[place]),
        *(
            (lower + 1, _two_lines(top[lower - 1], top[lower]))
            for lower in (place, place + 1)
            if 0 < lower < len(top) and known_in(top[lower], given) > 1
        ),
    ]
    refused: InvalidInput | None = None
    for line, headings in found:
        try:
            return line, headings, _places(name, headings, given)
        except InvalidInput as error:
            refused = refused or error
    assert refused is not None  # noqa: S101 # the row itself was tried
    raise refused


def _places(name: str, headings: Sequence[object], given: Given) -> Places:
    try:
        places = _columns_of(headings, given)
    except ValueError as error:
        raise InvalidInput(f"{name}: {error}") from None
    if missing := _missing_in(headings, places, given):
        shown = ", ".join(str(one) for one in headings if one not in (None, ""))[:400]
        known = {*map(folded, headings)}
        absent = {field: [name for name in given[field] if folded(name) not in known] for field in given}
        lost = "".join(
            f"; it has no {' and no '.join(map(repr, names))}, which is named for {field}"
            for field, names in absent.items()
            if names
        )
        raise MissingColumns(
            f"{name}: no column for {', '.join(missing)}{lost}. The headings are: {shown}",
            missing=missing,
            suggested=suggested_for(missing, headings, {place for some in places.values() for place in some}),
            absent={field: names for field, names in absent.items() if names},
        )
    return places


def known_in(row: Sequence[object], given: Given) -> int:
    """Return how many cells of a row are headings that are known, or given."""
    names = {folded(name) for those in given.values() for name in those}
    return len({*map(folded, row)} & {*KNOWN, *names})


def _two_lines(upper: Sequence[object], lower: Sequence[object]) -> list[str]:
    """Return the headings that two lines make, of which one of the upper may stand over several columns."""
    names, over = list[str](), ""
    for pair in zip_longest(upper, lower):
        above, below = (" ".join(str("" if one is None else one).split()) for one in pair)
        over = above or (over if below else "")
        both = f"{over} {below}".strip()
        names.append(next((name for name in (both, below, above) if folded(name) in KNOWN), both))
    return names


def _columns_of(headings: Sequence[object], given: Given) -> Places:
    """Return the places of each field's columns: as given, or by the first heading that is known.

    A column is that of one field only. Raises `ValueError` for a heading that is needed and is there twice.
    """
    places: dict[str, list[int]] = {}
    for place, heading in enumerate(headings):
        places.setdefault(folded(heading), []).append(place)
    found: Places = {}
    for field, given_names in given.items():
        if all(folded(name) in places for name in given_names):
            found[field] = tuple(_only(places[folded(name)], headings) for name in given_names)
    for field, names in FOLDED.items():
        if field in found or field in given:
            continue
        taken = {place for those in found.values() for place in those}
        for name in names:
            those = [place for place in places.get(name, ()) if place not in taken]
            if those:
                found[field] = (_only(those, headings),)
                break
    return found


def _missing_in(headings: Sequence[object], found: Collection[str], given: Collection[str]) -> list[str]:
    """Return the fields whose columns are to be asked for.

    Not only those that every register has: one with CGST has SGST, and a column `Input CGST 9%` is one of
    CGST, without which each document would differ.
    """
    missing = [field for field in given if field not in found]
    missing += [field for field in REQUIRED if field not in found and field not in given]
    heads = [*map(folded, headings)]
    for field, signs in TAX_SIGNS.items():
        there = any(sign in head for head in heads for sign in signs)
        other = {"cgst": "sgst", "sgst": "cgst"}.get(field)
        if field not in found and field not in missing and (there or other in found):
            missing.append(field)
    if not missing and not any(field in found for field in TAXES):
        missing = [*TAXES]
    return missing


def _only(places: Sequence[int], headings: Sequence[object]) -> int:
    if len(places) > 1:
        columns = " and ".join(str(place + 1) for place in places)
        raise ValueError(
            f"the heading {str(headings[places[0]])!r} stands over columns {columns}: rename one"
        )
    return places[0]
