"""Read the status of a job, and its error report."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Sequence
from typing import Any, Final

from ...errors import UnexpectedAnswer
from ...model.reasons import Reason, completed, read_reason, says_a_reason, together
from ...model.status import ErrorEntry, JobState, JobStatus
from ...model.vocabulary import SECTION_ALIASES
from ...steps import STEP, free, run, sliced
from .json import PAUSE, Pause
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


_NO_REASON: Final = Reason()


def read_status(
    data: object, path: str, *, polled_at: float | None = None, carrier_done: bool = False
) -> JobStatus:
    """Read a job's status. `P`, `IP`, `REC` and undocumented codes are not final here."""
    return run(_reading(data, path, polled_at, carrier_done))


def status_steps(
    data: object, path: str, *, polled_at: float | None = None, carrier_done: bool = False
) -> Generator[Pause, Any, JobStatus]:
    """Do what `read_status` does, in short steps; the lists of the error report in `data` are emptied."""
    status = yield from _reading(data, path, polled_at, carrier_done)
    if len(status.error_report) > STEP or status.state is JobState.FAILED:
        yield from _free(as_object(data, path).get("error_report"))
    return status


def _reading(
    data: object, path: str, polled_at: float | None, carrier_done: bool
) -> Generator[Pause, Any, JobStatus]:
    code, facts = member(data, "status_cd", path), as_object(data, path)
    if not isinstance(code, str):
        raise UnexpectedAnswer(problems=[f"{path}.status_cd: {code!r} is not text"])
    known = _CODES.get(code.strip().upper()) if code.isascii() else None  # the upper case of ſ is S
    listed = facts.get("error_report")
    report = (yield from _read_report(listed)) if listed else ()
    rest = {**facts}
    rest.pop("error_report", None)
    if known is JobState.FAILED:
        own = rest
    else:  # the message of a job that was not refused is not an error
        own = {name: value for name, value in rest.items() if name.lower().startswith("err")}
    reason = _NO_REASON
    of_job = (yield from _of_job(report, refused=known is JobState.FAILED)) if report else {}
    if of_job and known is JobState.FAILED:
        report = yield from _named(report)
    if own or of_job:
        reason = completed(read_reason(own), together(of_job))
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


def _of_job(report: Sequence[ErrorEntry], *, refused: bool) -> Generator[Pause, Any, dict[Reason, None]]:
    """Return the reasons that are about the whole job, each once.

    Public clients of similar APIs read the reason from `error_report`: an entry that names no record is about
    the whole job. One with a section counts only if the job was refused.
    """
    found: dict[Reason, None] = {}
    for few in sliced(report):
        for entry in few:
            if entry.names_no_record and (refused or not entry.section):
                found[Reason(entry.code, entry.message)] = None
        if len(few) == STEP:
            yield PAUSE
    return found


def _named(report: Sequence[ErrorEntry]) -> Generator[Pause, Any, tuple[ErrorEntry, ...]]:
    """Return the entries that name a record."""
    found: list[ErrorEntry] = []
    for few in sliced(report):
        found += [entry for entry in few if not entry.names_no_record]
        if len(few) == STEP:
            yield PAUSE
    return tuple(found)


def _free(report: object) -> Generator[Pause, Any, None]:
    """Free what was read of a report, in steps."""
    parts = report if isinstance(report, list) else [report]
    lists = [errors for part in parts if isinstance(part, dict) for errors in part.values()]
    for errors in (*lists, parts):
        if isinstance(errors, list):
            for _ in free(errors):
                yield PAUSE


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
    return run(_read_report(report))


def _read_report(report: object) -> Generator[Pause, Any, tuple[ErrorEntry, ...]]:
    found: list[ErrorEntry] = []
    shapeless = 0
    for place, (key, error) in enumerate(_errors(report), 1):
        shaped = isinstance(error, dict) and (says_a_reason(error) or not _IDS.isdisjoint(error))
        shapeless += not shaped
        if shaped or shapeless <= _MOST_SHAPELESS:
            for entry in _entries(key, error):
                found.append(entry)
                if len(found) % _PER_TURN == 0:
                    yield PAUSE
        elif place % _PER_TURN == 0:
            yield PAUSE
    if shapeless > _MOST_SHAPELESS:
        found.extend(_entries("", f"{shapeless - _MOST_SHAPELESS:,} more entries of no known shape"))
    return tuple(found)


_IDS: Final = frozenset({"stin", "inv", "inum", "nt_num", "rtnprd"})
_MOST_SHAPELESS: Final = 1000
_PER_TURN: Final = 50  # errors, which take less than 1 ms


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
