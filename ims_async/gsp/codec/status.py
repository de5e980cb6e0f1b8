"""Read the status of a job, and its error report."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from ...errors import UnexpectedAnswer
from ...model.reasons import Reason, completed, read_reason, says_a_reason, together
from ...model.status import ErrorEntry, JobState, JobStatus
from ...model.vocabulary import SECTION_ALIASES
from .values import MOST, as_object, member

_CODES: Final = {
    # GST API documentation, "IMS - Get IMS Request Status"; P is read in gsp.evidence.settle
    "S": JobState.SUCCEEDED,
    "PE": JobState.PARTIAL,
    "ER": JobState.FAILED,
    "P": JobState.PROCESSING,
    "IP": JobState.PROCESSING,
    "REC": JobState.PROCESSING,
}


def read_status(
    data: object, path: str, *, polled_at: float | None = None, carrier_done: bool = False
) -> JobStatus:
    """Read a job's status. `P`, `IP`, `REC` and undocumented codes are not final here."""
    code, facts = member(data, "status_cd", path), as_object(data, path)
    if not isinstance(code, str):
        raise UnexpectedAnswer(problems=[f"{path}.status_cd: {code!r} is not text"])
    known = _CODES.get(code.strip().upper()) if code.isascii() else None  # the upper case of ſ is S
    report = read_error_report(facts.get("error_report"))
    rest = {name: value for name, value in facts.items() if name != "error_report"}
    # Public clients of similar APIs read the reason from `error_report`: an entry that names no record is
    # about the whole job.
    if known is JobState.FAILED:
        own = rest
        of_job = [entry for entry in report if entry.names_no_record]
        report = tuple(entry for entry in report if not entry.names_no_record)
    else:  # the message of a job that was not refused is not an error
        own = {name: value for name, value in rest.items() if name.lower().startswith("err")}
        of_job = [entry for entry in report if entry.nameless]
    reason = Reason()
    if own or of_job:
        reason = completed(read_reason(own), together(Reason(entry.code, entry.message) for entry in of_job))
    return JobStatus(
        state=known or JobState.PROCESSING,
        raw_code=code,
        documented=known is not None,
        processed=_count(rest.get("proc_cnt")),
        errors=_count(rest.get("err_cnt")),
        error_code=reason.code,
        error_message=reason.words,
        error_report=report,
        polled_at=polled_at,
        carrier_done=carrier_done,
        raw=rest,
    )


_REGENERATION: Final = {
    # Sandbox's OpenAPI `compliance`, operation fetchGstr2bRegenerationStatus, calls an answer with P and no
    # error "2B regenerated"; the others are by analogy with a save.
    "P": JobState.SUCCEEDED,
    "IP": JobState.PROCESSING,
    "REC": JobState.PROCESSING,
    "PE": JobState.FAILED,
    "ER": JobState.FAILED,
}


def read_regeneration(data: object, path: str, *, polled_at: float | None = None) -> JobStatus:
    """Read the status of a computation of GSTR-2B, where `P` is an end. Undocumented codes are not final."""
    code, facts = member(data, "status_cd", path), as_object(data, path)
    if not isinstance(code, str):
        raise UnexpectedAnswer(problems=[f"{path}.status_cd: {code!r:.60} is not text"])
    known = _REGENERATION.get(code.strip().upper()) if code.isascii() else None
    reason = read_reason({name: value for name, value in facts.items() if name.lower().startswith("err")})
    if known is JobState.SUCCEEDED and reason.code:
        known = JobState.FAILED
    return JobStatus(
        state=known or JobState.PROCESSING,
        raw_code=code,
        documented=known is not None,
        error_code=reason.code,
        error_message=reason.words,
        polled_at=polled_at,
        raw=dict(facts),
    )


_COUNT: Final = re.compile(r"[0-9]{1,18}", re.ASCII)


def _count(value: object) -> int | None:
    """Read a count, which is text or a number, or missing; None for anything else, which is no evidence."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST:
        return value
    if isinstance(value, str) and _COUNT.fullmatch(value.strip()):
        return int(value)
    return None


def read_error_report(report: object) -> tuple[ErrorEntry, ...]:
    """Read the section-keyed report into one entry per record that it names; nothing is dropped.

    A reason under no section (the report itself is a reason, a list of reasons, or text) gives an entry that
    names no record: reading the status does not fail because of the form of the report.
    """
    found: list[ErrorEntry] = []
    shapeless = 0
    for key, error in _errors(report):
        shaped = isinstance(error, dict) and (says_a_reason(error) or not _IDS.isdisjoint(error))
        shapeless += not shaped
        if shaped or shapeless <= _MOST_SHAPELESS:
            found.extend(_entries(key, error))
    if shapeless > _MOST_SHAPELESS:
        found.extend(_entries("", f"{shapeless - _MOST_SHAPELESS:,} more entries of no known shape"))
    return tuple(found)


_IDS: Final = frozenset({"stin", "inv", "inum", "nt_num", "rtnprd"})
_MOST_SHAPELESS: Final = 1000


def _errors(report: object) -> Iterator[tuple[str, object]]:
    """Yield each error with the key of its section, which is empty if there is none."""
    for part in report if isinstance(report, list) else [report] if report else []:
        if not isinstance(part, dict):
            yield "", part
            continue
        # The members of an error are not sections, at any level.
        own = {name: value for name, value in part.items() if name in _IDS or says_a_reason([name])}
        if own:
            yield "", own
        for key, errors in part.items():
            if key not in own:
                yield from ((key, error) for error in (errors if isinstance(errors, list) else [errors]))


def _entries(key: str, error: object) -> Iterator[ErrorEntry]:
    """Yield the entries of one error; at least one for any shape, so that no error is lost."""
    section = SECTION_ALIASES.get(key.lower(), key)
    facts = error if isinstance(error, dict) else {}
    reason = Reason(words="None") if error is None else read_reason(error)
    named = facts.get("inv")
    documents = named if isinstance(named, list) and named else [named or {}]
    for document in documents:
        own = document if isinstance(document, dict) else {}
        ids, closer = {**facts, **own}, reason if own.keys() <= _IDS else read_reason(own)
        number = ids.get("inum", ids.get("nt_num"))  # documented: inum, for notes too
        yield ErrorEntry(
            section=section,
            supplier=str(ids.get("stin") or ""),
            number=None if number is None else str(number),
            return_period=None if ids.get("rtnprd") is None else str(ids["rtnprd"]),
            code=closer.code or reason.code,
            message=closer.words or reason.words,
        )
