"""What became of an upload: the portal's error file beside what was uploaded."""

from __future__ import annotations

import contextlib
import os
from typing import Any

from ...gsp.codec.json import json_text
from ...model.records import Decision
from ...model.report import JobReport, account
from ...model.status import ErrorEntry, JobState, JobStatus
from ...model.vocabulary import Section
from ..problems import raise_all
from .envelopes import Kind, opened
from .reading import is_whole, owner_of, read_row, read_rows, rows_of


def read_outcome(
    upload: str | os.PathLike[str], errors: str | os.PathLike[str], *, check: bool = True
) -> tuple[str, JobReport]:
    """Return the recipient's GSTIN, and the outcome of each record of an upload.

    `upload` is the file that was uploaded, `errors` the portal's error file for it. A record that the error
    file names has failed, with its `error_msg` as the message; the others count as applied, which a new
    download shows. `unmatched` has errors that fit no record of the upload: nothing is known of the others
    then, and they are `unaccounted`. Raises `InvalidFile` (an `InvalidInput`) for what is another file, or
    files of two taxpayers. With `check=False` the GSTIN's check digit is not looked at.
    """
    sent, refused = opened(upload, Kind.UPLOAD), opened(errors, Kind.ERRORS)
    owner = owner_of(sent, None, check=check) or ""
    owner_of(refused, owner or None, check=check)
    found, problems = read_rows(sent, owner or None)
    raise_all(problems)
    records = [Decision(invoice=one.invoice, action=one.invoice.action) for one in found]
    entries = (
        *(_entry(section, row) for section, _, _, row in rows_of(refused)),
        *(_entry(key, row) for key, rows in refused.other.items() if isinstance(rows, list) for row in rows),
    )
    named = len({(one.section, one.supplier, one.number, one.return_period) for one in entries})
    status = JobStatus(
        state=JobState.PARTIAL if entries else JobState.SUCCEEDED,
        processed=len(records) - named,
        errors=named,
        error_report=entries,
    )
    return owner, account(status, records, len(records))


def _entry(section: Section | str, row: Any) -> ErrorEntry:
    """Return what the portal says of one record; one that cannot be read keeps the ids that it has.

    That of a section which is not known here fits no record.
    """
    facts: dict[str, Any] = row if isinstance(row, dict) else {}
    period = facts.get("rtnprd")
    with contextlib.suppress(Exception):  # whatever is wrong with it, its ids may do
        if isinstance(section, Section) and is_whole(section, row):
            period = read_row(section, row, None).return_period
    number, message = facts.get("inum", facts.get("nt_num")), facts.get("error_msg")
    return ErrorEntry(
        section=section,
        supplier=_text(facts.get("stin")) or "",
        number=_text(number),
        return_period=_text(period),
        code="",
        message=_text(message) or "the portal gives no reason",
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str | None) else json_text(value)
