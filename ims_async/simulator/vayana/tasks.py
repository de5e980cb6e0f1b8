"""The long-running tasks of EAS: status, result, the pages of a download.

A task belongs to the organisation and its user. The simulator has one of each: any logged-in caller may poll.
https://docs.enriched-api.vayana.com
"""

from __future__ import annotations

from abc import ABC, abstractmethod
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
class Task(ABC):
    """Work of EAS on behalf of a taxpayer."""

    identifier: str
    gstin: str
    started_at: float
    """Epoch seconds."""
    failed: bool = field(default=False, kw_only=True)
    words: deque[str] = field(default_factory=deque, kw_only=True)
    """The states that a test scripted for the next polls."""

    @abstractmethod
    def done(self, now: float) -> bool:
        """Return whether the result is there."""

    def state(self, now: float) -> str:
        """Return the state; `failed` is the simulator's own, no state of a failed task is documented."""
        return "failed" if self.failed else "completed" if self.done(now) else "processing"

    @abstractmethod
    def result(self, eas: Vayana) -> Any:
        """Return the result."""

    def page(self, index: int) -> dict[str, Any] | None:
        """Return a page of the result, counted from 0, or None if there is no such page."""
        return None


@dataclass(slots=True)
class JobTask(Task):
    """A save or a reset that EAS follows until GSTN is done with it."""

    job: SimJob

    def done(self, now: float) -> bool:
        """Return whether the job is done, or a test scripted its result."""
        return self.job.done or self.job.is_scripted

    def result(self, eas: Vayana) -> Any:
        """Return GSTN's status of the job, or a list of such statuses, each in an envelope."""
        job, rules = self.job, eas.rules
        if rules.result_shape == "object":
            return payloads.polled(job, rules)
        statuses = [job.scripted.pop(0)] if job.scripted else payloads.status_by_section(job, rules)
        return [envelope(one) for one in statuses]


@dataclass(slots=True)
class DownloadTask(Task):
    """A download of invoices as they were when it started."""

    due_at: float
    """Epoch seconds."""
    pages: Sequence[dict[str, Any]]

    def done(self, now: float) -> bool:
        """Return whether it is due."""
        return now >= self.due_at

    def result(self, eas: Vayana) -> Any:
        """Return the number of pages."""
        return {"pages": len(self.pages)}

    def page(self, index: int) -> dict[str, Any] | None:
        """Return a page, counted from 0, or None if there is no such page."""
        return self.pages[index] if 0 <= index < len(self.pages) else None


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
    """Return the result of a task."""
    return _completed(eas, request).result(eas)


def page(eas: Vayana, request: Request) -> dict[str, Any]:
    """Return a page of a download."""
    task = _completed(eas, request)
    found = task.page(int(request.parts["page"]) - eas.rules.page_base)
    if found is None:
        raise not_found(task_id=task.identifier)
    return found


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
