"""The tasks that carry Vayana's downloads, saves and resets: their status and their results.

https://docs.enriched-api.vayana.com (Long running tasks)
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from enum import Enum, auto
from typing import Any, Final

import attrs

from ...errors import GatewayError, ImsError, JobInFlight, UnexpectedAnswer
from ...model.reasons import Reason, read_reason, together
from ...model.status import JobState, JobStatus
from .. import codec
from ..base import Part, Response
from ..codec.values import member
from ..verdicts import envelope_of
from .answers import error_of, failed, payload


class Stage(Enum):
    """The stage of a task."""

    RUNNING = auto()
    COMPLETED = auto()
    BROKEN_OFF = auto()


# Only `processing` and `completed` are documented. A word for failure is final, any other is not.
_COMPLETED: Final = frozenset({"completed"})
_BROKEN_OFF: Final = frozenset(
    {"failed", "failure", "fail", "error", "errored", "aborted", "cancelled", "canceled", "rejected"}
    | {"expired", "terminated", "timed-out", "timeout"}
)


@attrs.frozen
class Task:
    """The status of a task: its own word for the stage, and the rest of the answer."""

    word: str
    stage: Stage
    raw: dict[str, Any]

    @property
    def reason(self) -> Reason:
        """Why it broke off, if the task itself has a reason."""
        return read_reason(self.raw)

    @property
    def documented(self) -> bool:
        """Whether the word is documented."""
        return self.stage is not Stage.RUNNING or self.word.strip().lower() == "processing"


def read_task(response: Response) -> Task:
    """Read a task's status, nested in `data.task` as one page shows it, or flat in `data` with `jobs`.

    https://docs.enriched-api.vayana.com (Long running tasks: Status API)
    """
    data = payload(response)
    nested = isinstance(data, dict) and isinstance(data.get("task"), dict)
    facts, path = (data["task"], "data.task") if nested else (data, "data")
    word = member(facts, "status", path)
    if not isinstance(word, str) or not word.strip():
        raise UnexpectedAnswer(problems=[f"{path}.status: {word!r:.60} is not text"])
    plain = word.strip().lower().replace("_", "-").replace(" ", "-")
    stage = (
        Stage.COMPLETED
        if plain in _COMPLETED
        else Stage.BROKEN_OFF
        if plain in _BROKEN_OFF
        else Stage.RUNNING
    )
    return Task(word, stage, dict(facts))


def read_pages(response: Response, base: int, task_id: str) -> Sequence[Part]:
    """Read the pages of a download's result."""
    data = payload(response)
    if isinstance(data, list):  # a task of several jobs has an envelope for each
        if len(data) != 1:
            raise UnexpectedAnswer(problems=[f"data: {len(data)} envelopes, where a download has one"])
        data = member(data[0], "data", "data[0]")
    pages = member(data, "pages", "data")
    count = int(pages) if isinstance(pages, str) and re.fullmatch("[0-9]{1,9}", pages) else pages
    if type(count) is not int or not 0 <= count <= _MOST_PAGES:
        raise UnexpectedAnswer(problems=[f"data.pages: {pages!r:.60} is not a number of pages"])
    return [Part(f"{task_id}/page/{number}") for number in range(base, base + count)]


_MOST_PAGES: Final = 100_000


def read_result(response: Response, word: str) -> JobStatus:
    """Read the result of a save or reset: GSTN's status, or one envelope for each job of the task.

    https://docs.enriched-api.vayana.com (IMS Invoice Status Reset: Result API response)
    """
    envelope = envelope_of(response)
    data = envelope.get("data")
    if failed(envelope) or not isinstance(data, list):
        return _one_result(envelope, response, word, "data")
    if not data:
        raise UnexpectedAnswer(problems=["data: an empty list"])
    return _together(
        [_one_result(part, response, word, f"data[{place}].data") for place, part in enumerate(data)]
    )


def _one_result(envelope: Any, response: Response, word: str, path: str) -> JobStatus:
    if isinstance(envelope, dict) and failed(envelope):
        return broken_off(word, error_of(envelope, response), polled_at=response.received_at)
    data = member(envelope, "data", path.rpartition(".")[0])
    return codec.read_status(data, path, polled_at=response.received_at, carrier_done=True)


def read_broken_off(response: Response, task: Task) -> JobStatus:
    """Read why a task broke off, from its result; if that has GSTN's final status, return it."""
    envelope = envelope_of(response)
    if failed(envelope):
        return broken_off(task.word, error_of(envelope, response), polled_at=response.received_at)
    with contextlib.suppress(UnexpectedAnswer):
        status = read_result(response, task.word)
        if status.done:
            return status
    own = GatewayError(task.reason.words, code=task.reason.code) if task.reason else None
    return broken_off(task.word, own, polled_at=response.received_at)


def broken_off(word: str, reason: ImsError | None, *, polled_at: float | None) -> JobStatus:
    """Return the status of a job whose task broke off: the outcome at GSTN is unknown.

    Except if GSTN answered that another job runs: then it did nothing with this one.
    """
    return JobStatus(
        state=JobState.FAILED,
        raw_code=word,
        error_code=getattr(reason, "code", ""),
        error_message=getattr(reason, "message", str(reason or "")),
        polled_at=polled_at,
        carrier_done=True,
        carrier_failed=not isinstance(reason, JobInFlight),
    )


_RANK: Final = {"S": 0, "P": 1, "PE": 2}


def _together(parts: Sequence[JobStatus]) -> JobStatus:
    """Merge the results of a task's jobs: the sums of the counts, the worst code, every error entry."""
    if len(parts) == 1:
        return parts[0]
    open_part = next((part for part in parts if _still_open(part)), None)
    bad = [part for part in parts if part.state in (JobState.FAILED, JobState.PARTIAL)]
    whole = all(part.state is JobState.FAILED for part in parts)
    worst = max(parts, key=lambda part: _RANK.get(part.raw_code.strip().upper(), 2))
    state, code = worst.state, worst.raw_code
    if open_part is not None:
        state, code = JobState.PROCESSING, open_part.raw_code
    elif bad:
        state, code = (JobState.FAILED, bad[0].raw_code) if whole else (JobState.PARTIAL, "PE")
    elif code.strip().upper() == "P" and _counted_in_part(parts):
        state, code = JobState.PARTIAL, "PE"
    reason = together(Reason(part.error_code, part.error_message) for part in parts)
    errors = sum(part.errors or 0 for part in parts)
    return JobStatus(
        state=state,
        raw_code=code,
        processed=_sum([None if _counts_nothing(part) else part.processed for part in parts]),
        errors=errors or _sum([part.errors for part in parts]),  # the total is at least the count of one part
        error_code=reason.code,
        error_message=reason.words,
        error_report=tuple(entry for part in parts for entry in part.error_report),
        polled_at=worst.polled_at,
        carrier_done=True,
        carrier_failed=any(part.carrier_failed for part in parts),
        documented=all(part.documented for part in parts),
        in_the_way=all(part.in_the_way for part in parts),
        raw={"parts": [part.raw for part in parts]},
    )


def _still_open(part: JobStatus) -> bool:
    return part.state is JobState.PROCESSING and part.raw_code.strip().upper() != "P"


def _counted_in_part(parts: Sequence[JobStatus]) -> bool:
    """Return True if a part with code P has no count while others have: their sum may be too small.

    If no part has a count, the end of the task decides.
    """
    uncounted = any(part.processed is None and part.raw_code.strip().upper() == "P" for part in parts)
    return uncounted and any(part.processed is not None for part in parts)


def _counts_nothing(part: JobStatus) -> bool:
    """Return True if the count of a part is not one of applied records: it has an error beside it."""
    return part.state is JobState.FAILED or bool(part.error_code and not part.error_report)


def _sum(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
