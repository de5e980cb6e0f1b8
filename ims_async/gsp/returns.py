"""Returns, for every GSP: a GSTR-2B that comes in files, as they belong together; which returns are filed."""

from __future__ import annotations

import datetime as dt
from typing import Final

import attrs

from ..errors import UnexpectedAnswer
from ..model.gstr2b import Filing, Gstr2b, Gstr2bDocument
from ..model.vocabulary import financial_year
from . import codec
from .base import Conversation, Gsp, Request
from .verdicts import read, read_if_told

_TRIES: Final = 3


class _ChangedError(UnexpectedAnswer):
    """The statement was made anew while its files were read."""


def files_of(first: Gstr2b) -> range:
    """Return the numbers of the files of a statement by its first answer; none if that has all of it."""
    return range(1, first.files + 1) if first.summary_only or first.files > 1 else range(0)


def whole(gsp: Gsp, gstin: str, period: str, *, strict: bool) -> Conversation[Gstr2b]:
    """Fetch a statement with all its files; starts again if it changes meanwhile.

    Raises `UnexpectedAnswer` if it changes each time. A mere summary is returned as such.
    """
    for left in reversed(range(_TRIES)):
        first = yield from gsp.gstr2b(gstin, period, strict=strict)
        if not files_of(first):
            return first
        try:
            return (yield from _joined(gsp, first, gstin, period, strict=strict))
        except _ChangedError:
            if not left:
                raise
    raise AssertionError


def _joined(gsp: Gsp, first: Gstr2b, gstin: str, period: str, *, strict: bool) -> Conversation[Gstr2b]:
    documents: list[Gstr2bDocument] = []
    problems, other = [*first.problems], {**first.other}
    for number in files_of(first):
        part = yield from file(gsp, first, number, gstin, period, strict=strict)
        documents.extend(part.documents)
        problems.extend(f"file {number}: {problem}" for problem in part.problems)
        other.update({key: value for key, value in part.other.items() if key not in other})
    yield from confirm(gsp, first, gstin, period)
    return attrs.evolve(
        first, documents=tuple(documents), problems=tuple(problems), other=other, summary_only=False
    )


def file(
    gsp: Gsp, first: Gstr2b, number: int, gstin: str, period: str, *, strict: bool
) -> Conversation[Gstr2b]:
    """Fetch one file. Raises `UnexpectedAnswer` if it has no documents, or is of another statement."""
    part = yield from gsp.gstr2b(gstin, period, number, strict=strict)
    if part.summary_only:
        raise UnexpectedAnswer(f"file {number} of the GSTR-2B of {period} has no documents")
    for name in ("version", "generated_on"):
        there, here = getattr(first, name), getattr(part, name)
        if None not in (there, here) and there != here:
            raise _changed(period, f"{name} {there} became {here}")
    return part


def confirm(gsp: Gsp, first: Gstr2b, gstin: str, period: str) -> Conversation[None]:
    """Ask for the first answer again. Raises `UnexpectedAnswer` if it has changed since.

    A checksum is that of one answer: those of the files say nothing about one another.
    """
    again = yield from gsp.gstr2b(gstin, period, strict=False)
    for name in ("generated_on", "version", "checksum", "files", "summary"):
        if getattr(again, name) != getattr(first, name):
            raise _changed(period, f"{name} is not what it was")


def _changed(period: str, how: str) -> _ChangedError:
    told = f"the GSTR-2B of {period} was made anew while its files were read ({how})"
    return _ChangedError(told, problems=[f"{told}: fetch it again"])


def filing(
    gstin: str, period: str, path: str, *, track: Request, preference: Request
) -> Conversation[Filing]:
    """Read which returns of a period are filed, and whether the taxpayer is a quarterly one."""
    none: dict[str, dt.date] = {}
    filed = yield from read(track, path, none, lambda data: codec.read_filed(data, period, path))
    _, quarter = financial_year(period)
    quarterly = yield from read_if_told(
        preference, path, lambda data: codec.read_quarterly(data, quarter, path)
    )
    return Filing(
        gstin=gstin,
        period=period,
        gstr1_filed_on=filed.get("GSTR1"),
        gstr3b_filed_on=filed.get("GSTR3B"),
        quarterly=quarterly,
    )
