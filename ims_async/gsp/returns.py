"""Returns, for every GSP: a GSTR-2B that comes in files, as they belong together; which returns are filed."""

from __future__ import annotations

import datetime as dt
from typing import Final

import attrs

from .. import model
from ..errors import GatewayError, UnexpectedAnswer
from ..model.vocabulary import financial_year
from . import codec
from .base import Conversation, Gsp, Request
from .gstn import or_empty
from .verdicts import payload, read_or_none

_TRIES: Final = 3
_GSTR3B: Final = "GSTR3B"


class _ChangedError(UnexpectedAnswer):
    """The statement was made anew while its files were read."""


def files_of(first: model.gstr2b.Gstr2b) -> range:
    """Return the numbers of the files of a statement by its first answer; none if that has all of it."""
    return range(1, first.files + 1) if first.summary_only or first.files > 1 else range(0)


def whole(gsp: Gsp, gstin: str, period: str, *, strict: bool) -> Conversation[model.gstr2b.Gstr2b]:
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


def _joined(
    gsp: Gsp, first: model.gstr2b.Gstr2b, gstin: str, period: str, *, strict: bool
) -> Conversation[model.gstr2b.Gstr2b]:
    documents: list[model.gstr2b.Gstr2bDocument] = []
    begins: list[model.gstr2b.Gstr2bDocument] = []
    problems, other = [*first.problems], {**first.other}
    for number in files_of(first):
        part = yield from file(gsp, first, number, gstin, period, begins, strict=strict)
        documents.extend(part.documents)
        problems.extend(f"file {number}: {problem}" for problem in part.problems)
        for key, value in part.other.items():
            if other.setdefault(key, value) != value:
                other[f"file {number}: {key}"] = value
    yield from confirm(gsp, first, gstin, period)
    return attrs.evolve(
        first, documents=tuple(documents), problems=tuple(problems), other=other, summary_only=False
    )


def file(
    gsp: Gsp,
    first: model.gstr2b.Gstr2b,
    number: int,
    gstin: str,
    period: str,
    begins: list[model.gstr2b.Gstr2bDocument],
    *,
    strict: bool,
) -> Conversation[model.gstr2b.Gstr2b]:
    """Fetch one file. `begins` has the first document of each earlier one; that of this one is added.

    Raises `UnexpectedAnswer` if it has no documents, begins as an earlier one, or is of another statement.
    """
    part = yield from gsp.gstr2b(gstin, period, number, strict=strict)
    if part.summary_only:
        raise UnexpectedAnswer(f"file {number} of the GSTR-2B of {period} has no documents")
    for name in ("version", "generated_on"):
        there, here = getattr(first, name), getattr(part, name)
        if None not in (there, here) and there != here:
            raise _changed(period, f"{name} {there} became {here}")
    if part.documents and part.documents[0] in begins:  # or each document would count twice
        raise UnexpectedAnswer(f"file {number} of the GSTR-2B of {period} begins as an earlier file does")
    begins.extend(part.documents[:1])
    return part


def confirm(gsp: Gsp, first: model.gstr2b.Gstr2b, gstin: str, period: str) -> Conversation[None]:
    """Ask for the first answer again. Raises `UnexpectedAnswer` if it has changed since.

    A checksum is that of one answer: those of the files say nothing about one another.
    """
    again = yield from gsp.gstr2b(gstin, period, strict=False)
    for name in ("generated_on", "version", "checksum", "files", "summary"):
        if getattr(again, name) != getattr(first, name):
            raise _changed(period, f"{name} is not what it was")


def _changed(period: str, how: str) -> _ChangedError:
    what = f"the GSTR-2B of {period} was made anew while its files were read ({how})"
    return _ChangedError(what, problems=[f"{what}: fetch it again"])


def filing(
    gstin: str, period: str, path: str, *, track: Request, preference: Request, later: Request | None = None
) -> Conversation[model.gstr2b.Filing]:
    """Read which returns of a period are filed, and whether the taxpayer is a quarterly one.

    `later` asks for what was filed in the next financial year, where `track` asks for that of the period.
    It is sent once that year has begun, if GSTR-3B is not found before.
    """
    filed: dict[str, dt.date] = {}
    begun = True  # not known without an answer
    try:
        response = yield track
    except GatewayError as error:
        or_empty(error, None)
    else:
        filed = codec.read_filed(payload(response, path), period, path)
        begun = response.received_at >= _end_of_year(period).timestamp()
    if later is not None and begun and _GSTR3B not in filed:
        also = yield from read_or_none(later, path, lambda data: codec.read_filed(data, period, path))
        filed = {**(also or {}), **filed}
    _, quarter = financial_year(period)
    quarterly = yield from read_or_none(
        preference, path, lambda data: codec.read_quarterly(data, quarter, path)
    )
    return model.gstr2b.Filing(
        gstin=gstin,
        period=period,
        gstr1_filed_on=filed.get("GSTR1"),
        gstr3b_filed_on=filed.get(_GSTR3B),
        quarterly=quarterly,
    )


def _end_of_year(period: str) -> dt.datetime:
    """Return when the financial year of a period ends; some hours late, as it is that of UTC."""
    year, _ = financial_year(period)
    return dt.datetime(int(year[:4]) + 1, 4, 1, tzinfo=dt.UTC)
