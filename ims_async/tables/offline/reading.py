"""Read the portal's download: each record as it is there, and as an `Invoice`.

The keys and their confidence are in docs/offline-tool.md. Reading is tolerant: an unknown key is kept, a
flag is Y, N or a boolean, and an unknown word for the filing status is no error.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import attrs

from ...gsp.codec.invoices import MOST_PROBLEMS, needed_keys
from ...gsp.codec.readers import problems_of
from ...gsp.codec.rows import DECLARED, quick_reader, wire_names
from ...gsp.codec.values import parse_day
from ...model.records import Invoice, RecordKey
from ...model.vocabulary import Section, parse_gstin
from ..problems import InvalidFile, Problem, raise_all
from .envelopes import Envelope, Kind, opened

ITC_NAMES: Final[dict[str, dict[str, str]]] = {
    "api": {"required": "itcRedReq", **DECLARED},
    "tool": {"required": "itc_red_req", **{head: f"decl_{head}" for head in DECLARED}},
}
"""The keys of an ITC reduction: the API's, and those in the code of the Excel tool. The sources disagree."""
FLAGS: Final = frozenset(
    {"srcfilstatus", "ispendactblocked", "isRemarksBlocked", "itcRedReqBlocked", "isItcRedReqBlocked"}
)
"""What a person cannot change: the supplier's filing status, and what the record allows."""
# What may change although the supplier has not edited the record.
_CHANGING: Final = (
    FLAGS
    | {"action", "remarks", "hash", "tradenm", "error_msg"}
    | {key for names in ITC_NAMES.values() for key in names.values()}
)
_OTHER_NAMES: Final = {"rtnTyp": "srcform", "sRtnPrd": "rtnprd"}
"""Names that a download may have instead of the API's, which an Excel tool's code mentions."""


@attrs.frozen(kw_only=True)
class PortalRecord:
    """One record of a download: `row` as it is there, under the section `key`, and what it says."""

    key: str
    row: Mapping[str, Any] = attrs.field(repr=False)
    invoice: Invoice


@attrs.frozen(kw_only=True)
class PortalFile:
    """A download of one taxpayer's records. `gstin` is None if neither the file nor the caller named one.

    `problems` has the records that cannot be read, or that stand in it twice. `other` has all else that the
    file holds by its key, such as sections that are not known here; nothing of it is uploaded. Money is in
    rupees. A record without a `hash` has a checksum of its ids and amounts in that place, which begins with
    `own-`: so rows of a sheet are recognised, and a record that differs in another download is noticed.
    """

    file: str
    gstin: str | None
    records: tuple[PortalRecord, ...] = attrs.field(repr=lambda found: f"<{len(found):,}>")
    problems: tuple[Problem, ...] = ()
    other: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    keys: tuple[str, ...] = ()
    """The names of the sections, in their order."""

    @property
    def invoices(self) -> list[Invoice]:
        """The records, as everything else in this library takes them."""
        return [record.invoice for record in self.records]


def read_portal(
    path: str | os.PathLike[str], *, gstin: str | None = None, strict: bool = True, check: bool = True
) -> PortalFile:
    """Read the JSON that the portal's IMS dashboard gives under "Offline", "Download".

    `gstin` is the recipient's. It is compared with the file's `rtin`, if it has one, and needed for an upload
    if it has none. Raises `InvalidFile` (an `InvalidInput`) for what is another file, a file of another
    taxpayer, and with every record that cannot be read or stands in it twice; with `strict=False` these are
    in `problems`, and left out. With `check=False` the GSTIN's check digit is not looked at.
    """
    envelope = opened(path, Kind.DOWNLOAD)
    owner = owner_of(envelope, gstin, check=check)
    found, problems = read_rows(envelope, owner)
    records: dict[RecordKey, PortalRecord] = {}
    twice: set[RecordKey] = set()
    for record in found:
        ids = record.invoice.key._replace(supplier=record.invoice.supplier.upper())
        if ids in records:
            twice.add(ids)
            what = f"{record.invoice.key} stands in it twice, so that no upload could say which one is meant"
            problems.append(_problem(envelope, what, f"twice-{record.invoice.section}"))
        records.setdefault(ids, record)
    if strict:
        raise_all(problems)
    return PortalFile(
        file=envelope.file,
        gstin=owner,
        records=tuple(record for ids, record in records.items() if ids not in twice),
        problems=tuple(problems),
        other=envelope.other,
        keys=tuple(key for _, key, _ in envelope.sections),
    )


_AS_WRITTEN: Final = "take the file as it was written for the upload"


def _problem(envelope: Envelope, message: str, kind: str) -> Problem:
    uploaded = envelope.key != Kind.DOWNLOAD.key
    advice = _AS_WRITTEN if uploaded else "download it anew, or act on it at the portal"
    return Problem(f"{envelope.file}: {message}: {advice}", kind=kind, file=envelope.file)


def owner_of(envelope: Envelope, gstin: str | None, *, check: bool) -> str | None:
    """Return the recipient's GSTIN. Raises `InvalidFile` where file and caller name two."""
    given = (parse_gstin(gstin) if check else gstin.strip().upper()) if gstin else None
    if given and envelope.gstin and given != envelope.gstin:
        which = f"is of the taxpayer {envelope.gstin}, and not of {given}"
        message = f"{envelope.file} {which}: name that one's file, or the other GSTIN"
        raise InvalidFile(message, problems=[Problem(message, kind="other-taxpayer", file=envelope.file)])
    if envelope.gstin and check:
        parse_gstin(envelope.gstin, what=f"the recipient (rtin) in {envelope.file}")
    return given or envelope.gstin


def read_rows(envelope: Envelope, owner: str | None) -> tuple[list[PortalRecord], list[Problem]]:
    """Read all rows; return the records, and a problem for each fault of the others."""
    found: list[PortalRecord] = []
    problems: list[Problem] = []
    unreadable: Counter[Section] = Counter()
    for section, key, place, row in rows_of(envelope):
        try:
            if unreadable[section] >= MOST_PROBLEMS and not is_whole(section, row):
                unreadable[section] += 1  # to find all its problems would take long
            else:
                found.append(PortalRecord(key=key, row=row, invoice=read_row(section, row, owner)))
        except Exception as error:  # noqa: BLE001 # any error of one row is a problem, and costs no other row
            unreadable[section] += 1
            texts = problems_of(error, wire_names(section), f"{envelope.key}.{key}[{place}]")
            problems += [_problem(envelope, text, f"unreadable-{section}") for text in texts]
    for section, count in unreadable.items():
        if (more := count - MOST_PROBLEMS) > 0:
            text = f"{envelope.key}: {more:,} more records of {section} that cannot be read"
            problems.append(_problem(envelope, text, f"unreadable-{section}"))
    return found, problems


def rows_of(envelope: Envelope) -> Iterator[tuple[Section, str, int, Any]]:
    """Yield every row with its section, that one's key in the file, and its place there."""
    for section, key, rows in envelope.sections:
        for place, row in enumerate(rows):
            yield section, key, place, row


def is_whole(section: Section, row: object) -> bool:
    """Return whether a row has the keys that each record has, so that it can probably be read."""
    return isinstance(row, dict) and needed_keys(section) - {"rtnprd"} <= row.keys()


def read_row(section: Section, row: Any, recipient: str | None) -> Invoice:
    """Read one row as an invoice. `problems_of` describes the errors that it raises."""
    if not isinstance(row, dict):
        raise TypeError(f"{row!r:.60} is not an object")
    answer = dict(row)
    for name, usual in _OTHER_NAMES.items():
        if name in answer and usual not in answer:
            answer[usual] = answer.pop(name)
    for part, name in ITC_NAMES["tool"].items():
        if name in answer and ITC_NAMES["api"][part] not in answer:
            answer[ITC_NAMES["api"][part]] = answer.pop(name)
    if answer.get("srcfilstatus") == "NF":
        answer["srcfilstatus"] = "Not Filed"
    if isinstance(period := answer.get("rtnprd"), str) and _MONTH.fullmatch(period):
        answer["rtnprd"] = _with_year(period, answer.get(wire_names(section)["date"]))
    if not isinstance(kept := answer.get("hash"), str) or not kept.strip():
        answer["hash"] = _checksum(section, row)
    return quick_reader(section)(answer, None, recipient)


_MONTH: Final = re.compile("0[1-9]|1[0-2]", re.ASCII)


def _with_year(month: str, day: object) -> str:
    """Return a return period `MMYYYY` for a file that has its month only, from the document's date.

    A document is reported in its own month or a later one; the month before is taken too, as it is in the
    code of a tool that reads these files.
    """
    date: dt.date = parse_day(day)
    later = (int(month) - date.month + 1) % 12 - 1  # months after the document's, from -1 to 10
    year, index = divmod(date.year * 12 + date.month - 1 + later, 12)
    return f"{index + 1:02d}{year:04d}"


def plain(value: Any) -> Any:
    """Return a JSON value as it is written: equal, with whole numbers without `.0`."""
    if isinstance(value, Decimal):
        small = abs(value.adjusted()) < _MOST_DIGITS  # 1E+999999999 would be a gigabyte
        return int(value) if small and value == value.to_integral_value() else value
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


_MOST_DIGITS: Final = 100


def _checksum(section: Section, row: Mapping[str, Any]) -> str:
    facts = {
        key: value if type(value) is str or type(value) is int else plain(value)
        for key, value in sorted(row.items())
        if key not in _CHANGING
    }
    return f"own-{hashlib.sha256(f'{section}{facts!a}'.encode()).hexdigest()[:32]}"
