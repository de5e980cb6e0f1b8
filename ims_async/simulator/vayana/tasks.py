"""The long-running tasks of EAS: where one is, what came of it, the pages of a download.

A task belongs to the organisation and its user, of which there is one each: any caller who is let in may ask.
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
    from .state import Eas

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
    """What a test wants the next polls to be told."""

    @abstractmethod
    def done(self, now: float) -> bool:
        """Say whether EAS has what was asked for."""

    def state(self, now: float) -> str:
        """Say where it is; `failed` is the simulator's choice, no word for a failure is documented."""
        return "failed" if self.failed else "completed" if self.done(now) else "processing"

    @abstractmethod
    def result(self, eas: Eas) -> Any:
        """Show what came of it."""

    def page(self, index: int) -> dict[str, Any] | None:
        """Show a page of it, counted from 0, or None if there is no such page."""
        return None


@dataclass(slots=True)
class JobTask(Task):
    """A save or a reset that EAS follows until GSTN is done with it."""

    job: SimJob

    def done(self, now: float) -> bool:
        """Say whether the job is done, or a test said what the result is."""
        return self.job.done or self.job.is_scripted

    def result(self, eas: Eas) -> Any:
        """Show GSTN's answer about the job, or a list of such answers in envelopes of their own."""
        job, rules = self.job, eas.world.rules
        if eas.rules.result_shape == "object":
            return payloads.polled(job, rules)
        told = [job.scripted.pop(0)] if job.scripted else payloads.status_by_section(job, rules)
        return [envelope(one) for one in told]


@dataclass(slots=True)
class DownloadTask(Task):
    """A download of invoices, which were as they are shown when it started."""

    due_at: float
    """Epoch seconds."""
    pages: Sequence[dict[str, Any]]

    def done(self, now: float) -> bool:
        """Say whether it is due."""
        return now >= self.due_at

    def result(self, eas: Eas) -> Any:
        """Tell how many pages there are."""
        return {"pages": len(self.pages)}

    def page(self, index: int) -> dict[str, Any] | None:
        """Show a page, counted from 0, or None if there is no such page."""
        return self.pages[index] if 0 <= index < len(self.pages) else None


class Tasks:
    """Every task that was ever started."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task] = {}
        self._words: deque[tuple[str, ...]] = deque()

    def start(self, task: Task) -> dict[str, Any]:
        """Take in a task, and show what its caller is told."""
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
        """Let a taxpayer's tasks that are not done fail. What GSTN has taken in still takes effect there."""
        for task in self._tasks.values():
            task.failed |= task.gstin == gstin and not task.done(now)


def status(eas: Eas, request: Request) -> dict[str, Any]:
    """Tell where a task is, in one of the two documented shapes."""
    task = _asked(eas, request)
    state = task.state(eas.world.now())
    told = {"id": task.identifier, "status": task.words.popleft() if task.words else state}
    if eas.rules.task_shape == "nested":
        return {"task": told}
    return {**told, "jobs": {"total": 1, "pending": int(state == "processing")}}


def result(eas: Eas, request: Request) -> Any:
    """Show what came of a task."""
    return _completed(eas, request).result(eas)


def page(eas: Eas, request: Request) -> dict[str, Any]:
    """Show a page of a download."""
    task = _completed(eas, request)
    found = task.page(int(request.parts["page"]) - eas.rules.page_base)
    if found is None:
        raise not_found(task_id=task.identifier)
    return found


def _asked(eas: Eas, request: Request) -> Task:
    identifier = request.parts["task"]
    task = eas.tasks.find(identifier)
    if task is None or eas.world.now() >= task.started_at + _KEPT:
        raise not_found(task_id=identifier)
    return task


def _completed(eas: Eas, request: Request) -> Task:
    task = _asked(eas, request)
    if task.failed or not task.done(eas.world.now()):
        # Documented in words only, as a task that is not in a state for this call: the keys are our own.
        key = "err-task-failed" if task.failed else "err-task-not-completed"
        raise EasRefused(400, key, args={"task-id": task.identifier})
    return task
