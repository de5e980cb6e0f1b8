"""The portal's own payloads, the same for every GSP: counts, rows, the status of a job."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from .fields import SHAPES, reported

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .records import RecordError, SimJob
    from .rules import Rules
    from .world import World

STATUS_WORDS = {"accepted": "A", "rejected": "R", "pending": "P", "no_action_taken": "N"}
"""The values of the status filter of the list of invoices, and their actions."""

# The reference of the list uses short names, a guide uses those of the bodies: both are accepted.
SECTIONS = {name: section for section, shape in SHAPES.items() for name in (shape.short or section, section)}
"""The sections in requests, in lower case, and their names in bodies."""

_COUNT_WORDS = {"N": "noaction", "R": "reject", "P": "pending", "A": "accept"}
_COUNT_SECTIONS = {
    "others": ("all_oth", tuple(SHAPES)),
    "inward_supplies": ("inv_supp_isd", ("isd", "isda", "isdcn", "isdcna")),
    "imports": ("imp_gds", ("impg", "impga", "impgsez", "impgseza")),
}
GOODS = tuple(_COUNT_SECTIONS)
"""The types of goods that can be counted."""


def count(world: World, gstin: str, goods: str) -> dict[str, Any]:
    """Count the records per section and action; imports and supplies of ISDs are always zero here."""
    records = world.records(gstin) if goods == "others" else []
    return count_of(goods, [(record.section, record.action) for record in records])


def count_of(goods: str, records: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Count records, each given by its section and action."""
    top, sections = _COUNT_SECTIONS[goods]
    counts: dict[str, Any] = {section: dict.fromkeys(_COUNT_WORDS.values(), 0) for section in sections}
    for section, action in records:
        counts[section][_COUNT_WORDS[action]] += 1
    return {top: {**counts, "ttl_cnt": len(records)}}


def rows(
    world: World, gstin: str, section: str, action: str | None, blocked: str = "ispendactblocked"
) -> list[dict[str, Any]]:
    """Return the records of a section, with one action or any, as the list of invoices shows them.

    They have exactly the documented fields, money in rupees. `blocked` is the GSP's name of the flag that
    blocks Pending.
    """
    columns = {**reported(section), "action": "action", "hash": "hash"}
    return [
        {
            **{name: getattr(record, attribute) for name, attribute in columns.items()},
            blocked: "Y" if record.blocked else "N",
            "srcfilstatus": "Filed" if record.filed else "Not Filed",
        }
        for record in world.records(gstin, section)
        if action in {None, record.action}
    ]


def promised(world: World) -> dict[str, Any]:
    """Return the token of a file in place of rows, and the minutes that it takes to make it."""
    minutes = max(1, math.ceil(world.rules.file_seconds / 60))
    return {"token": world.draw_uuid().replace("-", ""), "est": minutes}


def polled(job: SimJob, rules: Rules) -> dict[str, Any]:
    """Answer a poll of a job; statuses that a test scripted come first."""
    return job.scripted.pop(0) if job.scripted else status(job, rules)


def status(job: SimJob, rules: Rules) -> dict[str, Any]:
    """Return the status of a job; a reset has the type SAV as well, as in the documented result of one."""
    if not job.done:
        # Two documented readings of the code P, see `p_means`; no example of a job in progress is documented.
        return {"status_cd": "IP" if rules.p_means == "processed" else "P", "transTypCd": "SAV"}
    if job.failure:
        code, message = job.failure
        counts = {"proc_cnt": "0", "err_cnt": "0"}
        return {"status_cd": job.code, "transTypCd": "SAV", "err_cd": code, "err_msg": message, **counts}
    return _outcome(job.code, job.succeeded, job.errors, rules)


def status_by_section(job: SimJob, rules: Rules) -> list[dict[str, Any]]:
    """Return the status of a job as if each of its sections had been a request of its own."""
    if not job.done or job.failure:
        return [status(job, rules)]
    found = []
    for section, succeeded in job.succeeded_in.items():
        errors = [error for error in job.errors if error.section == section]
        found.append(_outcome("PE" if errors else rules.success, succeeded, errors, rules))
    return found


def _outcome(code: str, succeeded: int, errors: Sequence[RecordError], rules: Rules) -> dict[str, Any]:
    processed = succeeded + (len(errors) if rules.proc_cnt_counts == "all" else 0)
    shown: dict[str, Any] = {"status_cd": code, "transTypCd": "SAV", "err_cd": "", "err_msg": ""}
    shown["proc_cnt"] = str(processed)
    if errors:
        shown |= {"err_cnt": str(len(errors)), "error_report": error_report(errors)}
    return shown


def error_report(errors: Iterable[RecordError]) -> dict[str, list[dict[str, Any]]]:
    """Group errors by section, supplier and code; notes are under `cn` and `dn`, their number in `inum`."""
    report: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}
    for error in errors:
        entries = report.setdefault(SHAPES[error.section].short or error.section, {})
        entry = entries.setdefault(
            (error.supplier, error.code),
            {"stin": error.supplier, "error_cd": error.code, "error_msg": error.message, "inv": []},
        )
        entry["inv"].append({"inum": error.number, "rtnprd": error.period})
    return {section: list(entries.values()) for section, entries in report.items()}
