"""The long-running tasks of EAS: status, result, the pages of a download.

A task belongs to the organisation and its user. The simulator has one of each: any logged-in caller may poll.
https://docs.enriched-api.vayana.com
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .. import payloads
from .answers import EasRefused, envelope, not_found

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..http import Request
    from ..records import SimJob
    from .gsp import Vayana

_KEPT = 7 * 86400.0  # seconds from the start of a task


@dataclass(slots=True)
class Task:
    """Work of EAS on behalf of a taxpayer: a save or reset, or a download of invoices."""

    identifier: str
    gstin: str
    started_at: float
    """Epoch seconds."""
    job: SimJob | None = None
    """The save or reset, which EAS follows until GSTN is done with it; None for a download."""
    due_at: float = 0.0
    """Epoch seconds: when a download is done."""
    pages: Sequence[dict[str, Any]] = ()
    """The invoices of a download, as they were when it started."""
    failed: bool = False
    words: deque[str] = field(default_factory=deque)
    """The states that a test scripted for the next polls."""

    def done(self, now: float) -> bool:
        """Return whether the result is there, or a test scripted it."""
        return now >= self.due_at if self.job is None else self.job.done or self.job.is_scripted

    def state(self, now: float) -> str:
        """Return the state; `failed` is the simulator's own, no state of a failed task is documented."""
        return "failed" if self.failed else "completed" if self.done(now) else "processing"


class Tasks:
    """All tasks that were ever started."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task] = {}
        self._words: deque[tuple[str, ...]] = deque()

    def start(self, task: Task) -> dict[str, Any]:
        """Add a task; return the answer to its caller."""
        if self._words:
            task.words.extend(self._words.popleft())
        self._tasks[task.identifier] = task
        return {"task-id": task.identifier}

    def find(self, identifier: str) -> Task | None:
        """Find a task, however old."""
        return self._tasks.get(identifier)

    def script(self, identifier: str | None, words: tuple[str, ...]) -> None:
        """Queue raw states for a task, or for the one that is started next if None."""
        if identifier is None:
            self._words.append(words)
        else:
            self._tasks[identifier].words.extend(words)

    def fail(self, gstin: str, now: float) -> None:
        """Fail a taxpayer's tasks that are not done; a job that GSTN has accepted still takes effect."""
        for task in self._tasks.values():
            task.failed |= task.gstin == gstin and not task.done(now)


def status(eas: Vayana, request: Request) -> dict[str, Any]:
    """Return the status of a task, in one of the two documented shapes."""
    task = _asked(eas, request)
    state = task.state(eas.world.now())
    shown = {"id": task.identifier, "status": task.words.popleft() if task.words else state}
    if eas.rules.task_shape == "nested":
        return {"task": shown}
    return {**shown, "jobs": {"total": 1, "pending": int(state == "processing")}}


def result(eas: Vayana, request: Request) -> Any:
    """Return GSTN's status of a job, or one in an envelope for each section; for a download, its size."""
    task, rules = _completed(eas, request), eas.rules
    if task.job is None:
        return {"pages": len(task.pages)}
    if rules.result_shape == "object":
        return payloads.polled(task.job, rules)
    scripted = task.job.scripted
    statuses = [scripted.pop(0)] if scripted else payloads.status_by_section(task.job, rules)
    return [envelope(one) for one in statuses]


def page(eas: Vayana, request: Request) -> dict[str, Any]:
    """Return a page of a download."""
    task = _completed(eas, request)
    index = int(request.parts["page"]) - eas.rules.page_base
    if not 0 <= index < len(task.pages):
        raise not_found(task_id=task.identifier)
    return task.pages[index]


def _asked(eas: Vayana, request: Request) -> Task:
    identifier = request.parts["task"]
    task = eas.tasks.find(identifier)
    if task is None or eas.world.now() >= task.started_at + _KEPT:
        raise not_found(task_id=identifier)
    return task


def _completed(eas: Vayana, request: Request) -> Task:
    task = _asked(eas, request)
    if task.failed or not task.done(eas.world.now()):
        # Documented only as "a task that is not in a state for this call": the keys are our own.
        key = "err-task-failed" if task.failed else "err-task-not-completed"
        raise EasRefused(400, key, args={"task-id": task.identifier})
    return task
