"""The tasks that carry Vayana's downloads, saves and resets: their status and their results.

https://docs.enriched-api.vayana.com (Long running tasks)
"""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Generator, Sequence
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final

import attrs

from ...errors import (
    GatewayError,
    GatewayUnavailable,
    ImsError,
    JobInFlight,
    NotAuthorized,
    RateLimited,
    UnexpectedAnswer,
)
from ...model.reasons import Reason, read_reason, together
from ...model.records import Decision, Invoice, Record
from ...model.status import JobKind, JobState, JobStatus
from .. import codec
from ..base import Accepted, Conversation, Part, Response
from ..codec.json import LARGE, Pause
from ..codec.values import member
from ..verdicts import envelope_of, payload, payload_steps, reference
from . import gstr2b
from .answers import error_of, failed

if TYPE_CHECKING:
    from .gsp import Vayana

Steps = Generator[Pause, Any, JobStatus]
"""The reading of an answer, with pauses if it is long."""
# The two routes of a job.
_TASK: Final = "task"
"""A task of the GSP carries the job."""
_GSTN: Final = "gstn"
"""The job has GSTN's own reference."""
_NO_SUCH_TASK: Final = "err-resource-not-found"


# -- changes: a task that carries a save or reset ----------------------------------------------------------


def save(
    gsp: Vayana, gstin: str, decisions: Sequence[Decision], *, packed: codec.PackedBody | None = None
) -> Conversation[Accepted]:
    """Submit decisions; returns the task's id. Only the name of this operation is public."""
    return _submit(gsp, gstin, JobKind.SAVE, gsp.save_method, gsp.save_path, decisions, packed)


def reset(
    gsp: Vayana, gstin: str, invoices: Sequence[Invoice], *, packed: codec.PackedBody | None = None
) -> Conversation[Accepted]:
    """Submit records whose action is to be reset; returns the task's id.

    https://docs.enriched-api.vayana.com (IMS Invoice Status Reset)
    """
    return _submit(gsp, gstin, JobKind.RESET, "PUT", "ims-invoice-status-reset", invoices, packed)


def _submit(
    gsp: Vayana,
    gstin: str,
    kind: JobKind,
    method: str,
    path: str,
    records: Sequence[Record],
    packed: codec.PackedBody | None,
) -> Conversation[Accepted]:
    if packed is None:
        packed = yield from codec.pack_body(gstin, kind, records, limit=gsp.save_bytes)
    name, path = kind.value.lower(), gsp.enriched(path)
    response = yield gsp.request(name, method, path, gstin=gstin, body=packed.content, changes=True)
    answer = payload(response, "data")
    # The page of the save is not public: if it answers with GSTN's own reference, that one is polled.
    gstns_own = isinstance(answer, dict) and "task-id" not in answer and "reference_id" in answer
    if gstns_own:
        return Accepted(reference(answer, "reference_id", "data"), _GSTN)
    return Accepted(reference(answer, "task-id", "data"), _TASK)


def status(
    gsp: Vayana, gstin: str, reference_id: str, kind: JobKind, route: str = ""
) -> Conversation[JobStatus]:
    """Read the status of a job: by its task, or for a reference of GSTN's own by REQSTS.

    If the route is not known, the reference is tried as a task first, then as one of GSTN's. That of a
    computation of GSTR-2B has one route only.
    https://docs.enriched-api.vayana.com (Long running tasks; IMS Get Request Status)
    """
    if kind is JobKind.REGENERATE:
        return (yield from gstr2b.status(gsp, gstin, reference_id))
    if route == _GSTN:
        return (yield from _status_of_reference(gsp, gstin, reference_id))
    if route == _TASK:
        return (yield from _status_of_task(gsp, gstin, reference_id))
    try:
        return attrs.evolve((yield from _status_of_task(gsp, gstin, reference_id)), route=_TASK)
    except GatewayError as error:
        if error.code != _NO_SUCH_TASK:
            raise
        no_task = error
    try:
        return attrs.evolve((yield from _status_of_reference(gsp, gstin, reference_id)), route=_GSTN)
    except (GatewayUnavailable, NotAuthorized, RateLimited):
        raise
    except GatewayError:
        raise no_task from None  # both are unknown, and most jobs are tasks


def _status_of_reference(gsp: Vayana, gstin: str, reference_id: str) -> Conversation[JobStatus]:
    response = yield gsp.basic_request("reference", "REQSTS", gstin, int_tran_id=reference_id)
    data = yield from payload_steps(response, "data")
    return (yield from codec.status_steps(data, "data", polled_at=response.received_at))


def _status_of_task(gsp: Vayana, gstin: str, task_id: str) -> Conversation[JobStatus]:
    """Read the status of a task, and its result once it has ended; one that broke off may have the reason."""
    response = yield gsp.task_request("status", task_id, gstin)
    task = read_task(response)
    if task.stage is Stage.RUNNING:
        return JobStatus(
            state=JobState.PROCESSING,
            raw_code=task.word,
            documented=task.word.strip().lower() == "processing",
            polled_at=response.received_at,
            raw=task.raw,
        )
    request = gsp.task_request("result", task_id, gstin)
    if task.stage is Stage.COMPLETED:
        return (yield from read_result((yield request), task.word))
    try:
        response = yield request
    except (GatewayUnavailable, NotAuthorized, RateLimited):
        raise  # this does not show how the task ended: the next poll tries again
    except GatewayError as error:
        return broken_off(task.word, error, polled_at=None)
    return (yield from read_broken_off(response, task))


# -- a task and its result ---------------------------------------------------------------------------------


class Stage(Enum):
    """The stage of a task."""

    RUNNING = auto()
    COMPLETED = auto()
    BROKEN_OFF = auto()


# Only `processing` and `completed` are documented. A word for failure is final, any other is not.
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


def read_task(response: Response) -> Task:
    """Read a task's status, nested in `data.task` as one page shows it, or flat in `data` with `jobs`.

    https://docs.enriched-api.vayana.com (Long running tasks: Status API)
    """
    data = payload(response, "data")
    nested = isinstance(data, dict) and isinstance(data.get("task"), dict)
    facts, path = (data["task"], "data.task") if nested else (data, "data")
    word = member(facts, "status", path)
    if not isinstance(word, str) or not word.strip():
        raise UnexpectedAnswer(problems=[f"{path}.status: {word!r:.60} is not text"])
    plain = word.strip().lower().replace("_", "-").replace(" ", "-")
    stage = Stage.BROKEN_OFF if plain in _BROKEN_OFF else Stage.RUNNING
    return Task(word, Stage.COMPLETED if plain == "completed" else stage, dict(facts))


def read_pages(response: Response, base: int, task_id: str) -> Sequence[Part]:
    """Read the pages of a download's result."""
    data = payload(response, "data")
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


def read_result(response: Response, word: str) -> Steps:
    """Read the result of a save or reset: GSTN's status, or one envelope for each job of the task.

    https://docs.enriched-api.vayana.com (IMS Invoice Status Reset: Result API response)
    """
    if len(response.body) > LARGE:
        yield from response.parsing()
    envelope = envelope_of(response)
    data = envelope.get("data")
    if failed(envelope) or not isinstance(data, list):
        return (yield from _one_result(envelope, response, word, "data"))
    if not data:
        raise UnexpectedAnswer(problems=["data: an empty list"])
    parts: list[JobStatus] = []
    for place, part in enumerate(data):
        parts.append((yield from _one_result(part, response, word, f"data[{place}].data")))
    return _together(parts)


def _one_result(envelope: Any, response: Response, word: str, path: str) -> Steps:
    if isinstance(envelope, dict) and failed(envelope):
        return broken_off(word, error_of(envelope, response), polled_at=response.received_at)
    data = member(envelope, "data", path.rpartition(".")[0])
    return (yield from codec.status_steps(data, path, polled_at=response.received_at, carrier_done=True))


def read_broken_off(response: Response, task: Task) -> Steps:
    """Read why a task broke off, from its result; if that has GSTN's final status, return it."""
    if len(response.body) > LARGE:
        yield from response.parsing()
    envelope = envelope_of(response)
    if failed(envelope):
        return broken_off(task.word, error_of(envelope, response), polled_at=response.received_at)
    with contextlib.suppress(UnexpectedAnswer):
        status = yield from read_result(response, task.word)
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


def _together(parts: Sequence[JobStatus]) -> JobStatus:
    """Merge the results of a task's jobs: the sums of the counts, the worst code, every error entry."""
    if len(parts) == 1:
        return parts[0]
    state, code = _state_of_all(parts)
    reason = together(Reason(part.error_code, part.error_message) for part in parts)
    errors = sum(part.errors or 0 for part in parts)
    return JobStatus(
        state=state,
        raw_code=code,
        processed=_sum([None if _counts_nothing(part) else part.processed for part in parts]),
        errors=errors or _sum([part.errors for part in parts]),  # the total is at least the count of one part
        error_code=reason.code,
        error_message=reason.words,
        error_report=tuple(itertools.chain.from_iterable(part.error_report for part in parts)),
        polled_at=parts[0].polled_at,
        carrier_done=True,
        carrier_failed=any(part.carrier_failed for part in parts),
        documented=all(part.documented for part in parts),
        in_the_way=all(part.in_the_way for part in parts),
        raw={"parts": [part.raw for part in parts]},
    )


def _state_of_all(parts: Sequence[JobStatus]) -> tuple[JobState, str]:
    codes = [part.raw_code.strip().upper() for part in parts]
    for part, code in zip(parts, codes, strict=True):
        if part.state is JobState.PROCESSING and code != "P":
            return part.state, part.raw_code  # still open
    bad = [part for part in parts if part.state in (JobState.FAILED, JobState.PARTIAL)]
    if bad and all(part.state is JobState.FAILED for part in parts):
        return JobState.FAILED, bad[0].raw_code
    # A part with code P and no count, where others have one: their sum may be too small. If no part has a
    # count, the end of the task decides.
    uncounted = any(part.processed is None for part, code in zip(parts, codes, strict=True) if code == "P")
    if bad or (uncounted and any(part.processed is not None for part in parts)):
        return JobState.PARTIAL, "PE"
    processing = next((part for part in parts if part.state is JobState.PROCESSING), parts[0])
    return processing.state, processing.raw_code


def _counts_nothing(part: JobStatus) -> bool:
    """Return True if the count of a part is not one of applied records: it has an error beside it."""
    return part.state is JobState.FAILED or bool(part.error_code and not part.error_report)


def _sum(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
