"""The enriched API of the Invoice Management System: each call starts a task.

https://docs.enriched-api.vayana.com
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from .. import payloads
from ..fields import SHAPES
from .answers import EasRefused, bad_parameter, read, text
from .tasks import Task

if TYPE_CHECKING:
    from ..fields import Kind
    from ..http import Request
    from .gsp import Vayana

_MOST_BYTES = 4_000_000  # the documented "4MB", in the smaller of its two senses


def submit(eas: Vayana, request: Request, *, kind: Kind) -> dict[str, Any]:
    """Accept a save or a reset; both start a task."""
    if len(request.body) > _MOST_BYTES:
        # The limit is documented, the answer is not: status and key are our own.
        raise EasRefused(413, "err-request-too-large")
    job = eas.world.submit(request.gstin, kind, read(request))
    return eas.tasks.start(Task(eas.world.draw_uuid(), request.gstin, job.submitted_at, job))


def listed(eas: Vayana, request: Request) -> tuple[str, list[dict[str, Any]]]:
    """Return the requested section and its rows, filtered by the requested action if there is one."""
    name = text(request.query, "section").lower()
    section = payloads.SECTIONS.get(name)
    if section is None or not _spelled(name, section, eas.rules.section_names):
        raise bad_parameter("section")
    action = request.query.get("status")
    if action is not None and action not in payloads.STATUS_WORDS.values():
        raise bad_parameter("status")
    # The name of the flag in the documented sample; elsewhere it is `ispendactblocked`.
    return section, payloads.rows(eas.world, request.gstin, section, action, "ispendactnallwd")


def _spelled(name: str, section: str, names: Literal["any", "short", "long"]) -> bool:
    """Return whether the gateway accepts this name of a section; only sections of notes have two names.

    No document defines which name is right, or the answer to the other one: the refusal is our own.
    """
    return names == "any" or not SHAPES[section].short or (name == section) == (names == "long")


def download(eas: Vayana, request: Request) -> dict[str, Any]:
    """Start a download of the invoices as they are now."""
    section, rows = listed(eas, request)
    size, now = eas.rules.page_rows, eas.world.now()
    pages = [{section: rows[first : first + size]} for first in range(0, max(1, len(rows)), size)]
    due_at = now + eas.rules.download_seconds
    return eas.tasks.start(Task(eas.world.draw_uuid(), request.gstin, now, due_at=due_at, pages=pages))
